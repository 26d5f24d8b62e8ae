// Adds to the pages what they also work without: local times, buttons that copy, single keys, and what is live.
import { localTimes } from './when.js';
import { copyButtons } from './copy.js';
import { singleKeys } from './keys.js';
import { live } from './live.js';

localTimes();
copyButtons();
singleKeys();
live();

// A menu closes when something outside of it is clicked or focused, and by Escape.
const menus = document.querySelectorAll('details.menu');
for (const event of ['click', 'focusin']) {
  document.addEventListener(event, (e) => {
    for (const menu of menus) {
      if (!menu.contains(e.target)) menu.open = false;
    }
  });
}
document.addEventListener('keydown', (e) => {
  if (e.key !== 'Escape') return;
  for (const menu of menus) {
    if (!menu.open) continue;
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});
