/** A parser for the cell of a prompt: what stands before the prompt is plain, the prompt is Markdown. */

import { NodeSet, NodeType, Parser, Tree, parseMixed } from '@lezer/common';
import type { Input, NodePropSource, ParseWrapper, PartialParse, TreeFragment } from '@lezer/common';

import { LONGEST_HEAD, promptHead } from './prompt_text';

const PROMPT = 1;
const BODY = 3;

export class PromptParser extends Parser {
  /**
   * @param markdown - parses the prompt.
   * @param source - properties of the top node, such as the language it belongs to.
   */
  constructor(markdown: Parser, source: NodePropSource) {
    super();
    this._nodes = new NodeSet([
      NodeType.none,
      NodeType.define({ id: PROMPT, name: 'Prompt', top: true }),
      NodeType.define({ id: 2, name: 'PromptHead' }),
      NodeType.define({ id: BODY, name: 'PromptBody' })
    ]).extend(source);
    this._mixed = parseMixed(node => (node.type.id === BODY ? { parser: markdown } : null));
  }

  createParse(input: Input, fragments: readonly TreeFragment[], ranges: readonly { from: number; to: number }[]): PartialParse {
    return this._mixed(new HeadParse(this._nodes, input), input, fragments, ranges);
  }

  private readonly _nodes: NodeSet;
  private readonly _mixed: ParseWrapper;
}

/** Finds where the prompt begins, in one step. */
class HeadParse implements PartialParse {
  constructor(
    private readonly _nodes: NodeSet,
    private readonly _input: Input
  ) {}

  parsedPos = 0;
  stoppedAt: number | null = null;

  stopAt(position: number): void {
    this.stoppedAt = position;
  }

  advance(): Tree {
    const length = this.stoppedAt ?? this._input.length;
    const begin = Math.min(length, (promptHead(this._input.read(0, Math.min(length, LONGEST_HEAD)))?.to ?? -1) + 1);
    const [, prompt, head, body] = this._nodes.types as [NodeType, NodeType, NodeType, NodeType];
    const parts = [new Tree(head, [], [], begin), new Tree(body, [], [], length - begin)];
    this.parsedPos = length;
    return new Tree(prompt, parts, [0, begin], length);
  }
}
