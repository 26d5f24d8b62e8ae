// Single keys: / opens the filter, j and k go through the rows, Enter opens one, ? shows these keys.
const help = [['/', 'Filter'], ['j', 'Next row'], ['k', 'Row before'], ['Enter', 'Open the row'], ['?', 'These keys']];

export function singleKeys() {
  if (document.documentElement.dataset.keys === 'off') return;
  function step(by) {
    const rows = [...document.querySelectorAll('table.rows tbody tr')];
    if (rows.length === 0) return;
    const before = rows.findIndex((row) => row.classList.contains('row-now'));
    rows[before]?.classList.remove('row-now');
    const row = rows[Math.min(Math.max(before + by, 0), rows.length - 1)];
    row.classList.add('row-now');
    row.scrollIntoView({ block: 'nearest' });
    row.querySelector('a')?.focus({ preventScroll: true });
  }

  function showHelp() {
    const dialog = document.createElement('dialog');
    const title = document.createElement('h2');
    title.textContent = 'Keys';
    const list = document.createElement('dl');
    list.className = 'headers';
    for (const [key, text] of help) {
      const term = document.createElement('dt');
      term.textContent = key;
      const detail = document.createElement('dd');
      detail.textContent = text;
      list.append(term, detail);
    }
    const close = document.createElement('button');
    close.type = 'button';
    close.textContent = 'Close';
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => dialog.remove());
    dialog.append(title, list, close);
    document.body.append(dialog);
    dialog.showModal();
  }

  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, dialog')) return;
    switch (e.key) {
      case '/': {
        const filter = document.querySelector('details.filter');
        if (!filter) return;
        filter.open = true;
        filter.querySelector('input:not([type=hidden])')?.focus();
        break;
      }
      case 'j': step(1); break;
      case 'k': step(-1); break;
      case '?': showHelp(); break;
      default: return;
    }
    e.preventDefault();
  });
}
