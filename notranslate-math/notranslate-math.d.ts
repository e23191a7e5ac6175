/** Options of auto-render that are looked at; all are handed to `renderMathInElement`. */
export interface KatexOptions {
  delimiters?: ReadonlyArray<{ left: string; right: string; display?: boolean }>;
  ignoredTags?: readonly string[];
  ignoredClasses?: readonly string[];
  [option: string]: unknown;
}

export interface Options {
  /** "mathjax" (any version), "katex", or "auto": whichever is there when it is needed. Default: "auto". */
  engine?: "auto" | "mathjax" | "katex";
  /** What to look after: a selector, which also finds elements that come later, or a node. Default: "body". */
  root?: string | Element | ShadowRoot;
  /** false: guard only what is passed to `hold` or `typeset`. Default: true. */
  late?: boolean;
  /** Pairs like ["$", "$"], in place of those that the engine is configured with. */
  delimiters?: ReadonlyArray<readonly [left: string, right: string]>;
  /** Options for KaTeX's `renderMathInElement`. */
  katex?: KatexOptions;
  /** Typesets in place of the engine. */
  typeset?: (blocks: Element[]) => unknown;
  /** Milliseconds after which a block is released in any case. Default: 10000. */
  timeout?: number;
  /** Milliseconds that changed text, or an unfinished formula, must rest before it is typeset or let go. Default: 500. */
  settle?: number;
}

export interface Guard {
  /** Guard a block, inserted or not; returns it. It is released after `timeout` if nothing else does it. */
  hold<T extends Element>(block: T): T;
  /** Typeset, in the page or off it, mark, release. Resolves to false after a warning in the console. */
  typeset(...blocks: Element[]): Promise<boolean>;
  /** Lift the guard without typesetting. */
  release(block: Element): void;
  /** Stop watching, lift all guards, take off all marks. */
  undo(): void;
}

/** Look after the formulas of a page while browsers translate it. */
export function protect(options?: Options): Guard;

declare global {
  interface HTMLElementEventMap {
    /** On each released block; it bubbles. `detail.typeset` is false where typesetting failed or was not asked for. */
    "notranslate-math": CustomEvent<{ typeset: boolean }>;
  }
}
