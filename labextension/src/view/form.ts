/** The model's own questions (AskUserQuestion) as a form. Its words are text, its options are radio or check boxes. */

import { visible } from '../text';
import { askedQuestions } from '../tools';
import type { AskedQuestion } from '../tools';
import { el, show } from './dom';

export interface Form {
  readonly node: HTMLElement;
  /** The answers, by question; `null` while one is missing. */
  answers(): Record<string, string> | null;
}

interface Drawn {
  readonly question: string;
  readonly node: HTMLElement;
  answer(): string;
}

/**
 * Draw the questions.
 *
 * @param input - input of the tool: `questions`, each with `question`, `header`, `options` and `multiSelect`.
 * @param name - a name for the groups of radio buttons that nothing else on the page has.
 */
export function readForm(input: Record<string, unknown>, name: string): Form {
  const asked = askedQuestions({ name: 'AskUserQuestion', input }).map((question, at) =>
    drawQuestion(question, `${name}-${at}`)
  );
  return {
    node: el('div', 'claude-form', ...asked.map(one => one.node)),
    answers: () => {
      const answers = asked.map(one => [one.question, one.answer()] as const);
      return answers.every(([, answer]) => answer !== '') ? Object.fromEntries(answers) : null;
    }
  };
}

function drawQuestion({ question, header, several, options }: AskedQuestion, name: string): Drawn {
  const legend = el('legend', '', header ? el('span', 'claude-chip', visible(header)) : '', visible(question));
  const rows = options.map(option => drawOption(option.label, option.description, several, name));
  const other = drawOther(several, name);
  const node = el('fieldset', '', legend, ...rows.map(row => row.node), other.node);
  return {
    question,
    node,
    answer: () => {
      const chosen = rows.filter(row => row.box.checked).map(row => row.label);
      const typed = other.box.checked ? other.field.value.trim() : '';
      return [...chosen, ...(typed ? [typed] : [])].join(', ');
    }
  };
}

function drawOption(
  label: string,
  description: string,
  several: boolean,
  name: string
): { node: HTMLElement; box: HTMLInputElement; label: string } {
  const box = choice(several, name);
  const words = el('span', '', el('span', 'claude-option', visible(label)));
  if (description) {
    words.append(el('span', 'claude-hint', visible(description)));
  }
  return { node: el('label', 'claude-choice', box, words), box, label };
}

function drawOther(
  several: boolean,
  name: string
): { node: HTMLElement; box: HTMLInputElement; field: HTMLInputElement } {
  const box = choice(several, name);
  const field = el('input', 'claude-editor');
  field.type = 'text';
  field.setAttribute('aria-label', 'Your own words');
  field.placeholder = 'Your own words';
  const node = el('div', 'claude-choice', el('label', 'claude-choice', box, el('span', 'claude-option', 'Other')), field);
  const follow = (): void => {
    show(field, box.checked);
  };
  follow();
  // A radio button says nothing when another one of its group is chosen, so the whole form is listened to.
  queueMicrotask(() => {
    node.closest('fieldset')?.addEventListener('change', () => {
      follow();
      if (box.checked && document.activeElement === box) {
        field.focus({ preventScroll: true });
      }
    });
  });
  return { node, box, field };
}

function choice(several: boolean, name: string): HTMLInputElement {
  const box = el('input');
  box.type = several ? 'checkbox' : 'radio';
  box.name = name;
  return box;
}
