/** How many things wait for the person, in the browser's title; JupyterLab writes the rest of it. */

const MARK = /^\(\d+\) /;

let waiting = 0;
let observer: MutationObserver | null = null;

/** Count one more; return what counts it no more. */
export function markTitle(): () => void {
  waiting++;
  write();
  observer ??= follow();
  let isCounted = true;
  return () => {
    if (isCounted) {
      isCounted = false;
      waiting--;
      if (waiting === 0) {
        observer?.disconnect();
        observer = null;
      }
      write();
    }
  };
}

function write(): void {
  const title = document.title.replace(MARK, '');
  const wanted = waiting === 0 ? title : `(${waiting}) ${title}`;
  if (document.title !== wanted) {
    document.title = wanted;
  }
}

function follow(): MutationObserver {
  const made = new MutationObserver(write);
  made.observe(document.head, { childList: true, subtree: true, characterData: true });
  return made;
}
