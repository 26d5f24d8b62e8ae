const format = new Intl.DateTimeFormat('sv-SE', {
  year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
});

const zone = format.resolvedOptions().timeZone;

// Writes the times in a part of a page in local time, unless the person wants UTC. The time in UTC stays as the title.
export function localTimes(part = document) {
  const root = document.documentElement;
  if (root.dataset.times === 'utc') return;
  for (const time of part.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toISOString();
    time.textContent = format.format(at);
  }
  for (const note of part.querySelectorAll('.times')) {
    note.textContent = `Times are local (${zone}); each shows UTC when you point at it.`;
  }
}
