// Adds a button to each text in a part of a page that is meant to be copied.
export function copyButtons(part = document) {
  if (!navigator.clipboard) return;
  for (const box of part.querySelectorAll('.copies')) {
    const text = box.querySelector('pre');
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', `Copy: ${text.getAttribute('aria-label') ?? 'text'}`);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Not allowed';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
    box.append(button);
    box.classList.add('with-button'); // the text makes room for it
  }
}
