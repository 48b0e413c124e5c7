/** Making elements. Text only ever becomes text nodes. */

/** Make an element with a class and children; a string child becomes a text node. */
export function el<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (className) {
    element.className = className;
  }
  element.append(...children);
  return element;
}

/** Make a button that looks like text or like a button, and does one thing. */
export function button(label: string, className: string, onClick: (event: MouseEvent) => void): HTMLButtonElement {
  const element = el('button', `claude-button ${className}`.trim(), label);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}

/** Set the text of an element, if it differs. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Show or hide an element. */
export function show(element: HTMLElement, shown: boolean): void {
  if (element.hidden === shown) {
    element.hidden = !shown;
  }
}

/** One piece of the view: an element that knows how to follow what it shows. */
export interface Piece<Shown> {
  readonly node: HTMLElement;
  update(shown: Shown): void;
  dispose(): void;
}

/** One thing to show, under a key that stays the same while it changes. */
export interface Keyed<Shown> {
  readonly key: string;
  readonly shown: Shown;
}

/** Children of an element, each with a key: only what is new, gone or moved touches the page. */
export class KeyedChildren<Shown> {
  constructor(
    private readonly _parent: HTMLElement,
    private readonly _make: (shown: Shown) => Piece<Shown>
  ) {}

  update(items: readonly Keyed<Shown>[]): void {
    const wanted = new Set(items.map(item => item.key));
    for (const [key, piece] of this._pieces) {
      if (!wanted.has(key)) {
        piece.dispose();
        piece.node.remove();
        this._pieces.delete(key);
      }
    }
    let before: ChildNode | null = this._parent.firstChild;
    for (const { key, shown } of items) {
      let piece = this._pieces.get(key);
      if (piece === undefined) {
        piece = this._make(shown);
        this._pieces.set(key, piece);
      }
      piece.update(shown);
      if (piece.node === before) {
        before = before.nextSibling;
      } else {
        this._parent.insertBefore(piece.node, before);
      }
    }
  }

  dispose(): void {
    for (const piece of this._pieces.values()) {
      piece.dispose();
    }
    this._pieces.clear();
  }

  private readonly _pieces = new Map<string, Piece<Shown>>();
}
