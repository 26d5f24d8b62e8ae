// Live pages: the tail, lists with what is new, and parts that change while they are looked at. What a person reads is
// never moved: while something in it has the focus or is selected, or its top is out of sight, new rows wait, and a
// button says how many.
import { localTimes } from './when.js';
import { copyButtons } from './copy.js';

const maxRows = 100; // of the tail
const rowsOfFrame = 25; // that the tail adds before the browser paints again
const listPause = 2000; // at least, between two looks at a list, in milliseconds

export function live() {
  const tail = document.querySelector('[data-stream]');
  if (tail?.dataset.stream) showTail(tail);
  const list = document.querySelector('[data-live]');
  if (list) showList(list);
  for (const part of document.querySelectorAll('[data-poll]')) pollPart(part);
}

// follow gets the messages of a stream while the page can be seen. on has a function for each kind, and says, which
// gets words about the connection. Of the pages of a browser that follow the same stream, one at a time has it open and
// passes on what it gets, because a browser makes six connections to a server at most: the one that holds a lock.
// Another one goes on after the latest message that it has seen.
function follow(url, on) {
  const name = `bellhop ${url}`;
  const me = Math.random();
  const others = navigator.locks && window.BroadcastChannel ? new BroadcastChannel(name) : null;
  let source = null;
  let waiting = null; // for the lock: what ends the wait
  let release = null; // gives the lock back
  let said = ''; // at last, to this page and the others
  let latest = ''; // the id of the latest message
  let over = false;
  const take = {
    says: (text) => on.says(text),
    rows(message, id) {
      latest = id || latest;
      on.rows(message);
    },
    open: () => on.open?.(),
    over(text) {
      over = true;
      close();
      on.says(text);
    },
  };
  function tell(kind, ...data) {
    if (kind === 'says') said = data[0];
    take[kind](...data);
    others?.postMessage([kind, ...data]);
  }
  function close() {
    source?.close();
    waiting?.abort();
    release?.();
    source = waiting = release = null;
  }
  function open() {
    if (source || waiting || over || document.hidden) return;
    if (!others) {
      connect();
      return;
    }
    const wait = new AbortController();
    waiting = wait;
    navigator.locks.request(name, { signal: wait.signal }, () => {
      if (waiting !== wait) return null; // it was closed meanwhile
      waiting = null;
      return new Promise((resolve) => {
        release = resolve;
        connect();
      });
    }).catch(() => {}); // the wait was ended
    others.postMessage(['asks', me]);
  }
  function connect() {
    const at = new URL(url, location.href);
    if (latest) at.searchParams.set('after', latest);
    source = new EventSource(at);
    source.addEventListener('open', () => {
      tell('says', 'Live');
      tell('open');
    });
    source.addEventListener('rows', (e) => tell('rows', JSON.parse(e.data), e.lastEventId));
    source.addEventListener('gap', (e) => tell('says', `Something may be missing. ${JSON.parse(e.data).text}`));
    source.addEventListener('end', (e) => {
      const { reason, text } = JSON.parse(e.data);
      tell(reason === 'session' ? 'over' : 'says', text); // otherwise the browser comes back
    });
    source.addEventListener('error', () => {
      if (source?.readyState !== EventSource.CLOSED) {
        tell('says', 'The server does not answer; it is asked again until it does');
        return;
      }
      close();
      latest = ''; // it may be what the server refuses
      on.says('Not live: the server refuses the stream. It is asked again in half a minute');
      setTimeout(open, 30000);
    });
  }
  others?.addEventListener('message', ({ data: [kind, ...data] }) => {
    if (kind === 'asks') {
      if (source && said) others.postMessage(['joined', said, data[0]]);
    } else if (source || document.hidden || over) {
      // it gets its messages itself, or none
    } else if (kind !== 'joined') {
      take[kind]?.(...data);
    } else if (data[1] === me) { // something may have happened before this page listened
      on.says(data[0]);
      on.open?.();
    }
  });
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  open();
}

// isRead reports whether a person seems to read in a part of the page.
function isRead(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || part.getBoundingClientRect().top < 0 ||
    (!selection.isCollapsed && (part.contains(selection.anchorNode) || part.contains(selection.focusNode)));
}

// bar returns the line above a live part: what it says, and its buttons, the one of which shows what waits.
function bar(show) {
  const line = document.querySelector('.live p');
  const words = document.createElement('span');
  words.setAttribute('role', 'status');
  const newer = document.createElement('button');
  newer.type = 'button';
  newer.hidden = true;
  newer.addEventListener('click', show);
  line.replaceChildren(words, newer);
  const say = (text) => {
    if (words.textContent !== text) words.textContent = text;
  };
  return {
    line,
    say,
    waits(text) {
      newer.hidden = !text;
      if (newer.textContent !== text) newer.textContent = text;
    },
  };
}

// cell returns a cell with a label for narrow screens.
function cell(label, content) {
  const td = document.createElement('td');
  td.dataset.label = label;
  td.append(content);
  return td;
}

// keepButton returns the button of a row of the tail that keeps it while others flow, or lets it go. kept is the part of
// the table for rows that are kept, and flow the one for the others.
function keepButton(row, kept, flow) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'keep quietly';
  button.textContent = 'Keep';
  button.addEventListener('click', () => {
    const keeps = row.parentElement !== kept;
    button.textContent = keeps ? 'Let go' : 'Keep';
    (keeps ? kept : flow).prepend(row);
    if (keeps) button.focus(); // moving it has lost the focus
  });
  return button;
}

// rowOf returns a row of the tail. Texts become text, and the one link leads to a page of ours.
function rowOf(r) {
  const time = document.createElement('time');
  time.dateTime = r.at;
  time.textContent = r.at;
  const state = document.createElement('span');
  state.className = `state ${r.state.Name}`;
  state.textContent = `${r.state.Shape} ${r.state.Word}`;
  const to = document.createElement('a');
  to.href = r.to.startsWith('/ui/') ? r.to : '/ui/';
  to.textContent = r.what;
  const tr = document.createElement('tr');
  tr.append(cell('At', time), cell('Kind', r.kind), cell('State', state), cell('Where', r.where), cell('What', to),
    cell('More', r.more));
  localTimes(tr);
  return tr;
}

// showTail puts what happens at the top of the tail, some rows a frame.
function showTail(table) {
  const body = table.tBodies[0];
  const kept = document.createElement('tbody');
  kept.className = 'kept';
  table.insertBefore(kept, body);
  const withButton = (row) => {
    row.firstElementChild.append(' ', keepButton(row, kept, body));
    return row;
  };
  [...body.rows].forEach(withButton);
  let waiting = []; // the oldest first
  let left = 0; // happened, and are neither shown nor waiting
  let leftShown = 0; // of them, when the tail was not held
  let paused = false;
  let asked = false; // for a frame
  let show = false; // although somebody reads
  const top = bar(() => {
    show = true;
    paused = false;
    pause.textContent = 'Pause';
    table.scrollIntoView({ block: 'nearest' });
    frame();
  });
  const pause = document.createElement('button');
  pause.type = 'button';
  pause.className = 'quietly';
  pause.textContent = 'Pause';
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.textContent = paused ? 'Go on' : 'Pause';
    frame();
  });
  const missed = document.createElement('span');
  missed.className = 'quiet';
  top.line.append(pause, missed);

  function frame() {
    asked = false;
    const held = paused || (!show && isRead(body));
    top.waits(held && waiting.length > 0 ? `${waiting.length + left - leftShown} newer` : '');
    if (held) return;
    leftShown = left;
    const rows = waiting.splice(0, rowsOfFrame).map(rowOf).map(withButton).reverse();
    if (rows.length > 0) document.getElementById('none-yet')?.remove();
    body.prepend(...rows);
    while (body.rows.length > maxRows) body.lastElementChild.remove();
    if (waiting.length > 0) {
      ask();
      return;
    }
    show = false;
    missed.textContent = left > 0 ? `${left.toLocaleString()} more happened than are shown` : '';
  }
  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(frame);
  }
  for (const event of ['scroll', 'focusout']) {
    addEventListener(event, () => { if (waiting.length > 0) ask(); }, { passive: true });
  }
  follow(table.dataset.stream, {
    says: top.say,
    rows(message) {
      waiting.push(...(message.rows ?? []));
      left += message.left;
      const more = waiting.length - maxRows;
      if (more > 0) {
        waiting.splice(0, more);
        left += more;
      }
      ask();
    },
  });
}

// page gets a page of ours as a document, in which nothing runs.
function page(url) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.responseType = 'document';
    request.addEventListener('loadend', () => resolve(request.status === 200 ? request.response : null));
    request.open('GET', url);
    request.send();
  });
}

// renew replaces the content of a part of the page by that of the part with its id in a document.
function renew(part, fresh) {
  const open = [...part.querySelectorAll('details')].map((each) => each.open);
  part.replaceChildren(...fresh.childNodes);
  part.querySelectorAll('details').forEach((each, i) => { each.open = open[i] ?? each.open; });
  localTimes(part);
  copyButtons(part);
}

// showList looks at a list again when something happens that may be in it.
function showList(part) {
  let latest = null; // the part in the latest document
  let looking = false;
  let again = false;
  const ids = (of) => new Set([...of.querySelectorAll('tr[data-id]')].map((row) => row.dataset.id));
  const top = bar(() => {
    if (latest) renew(part, latest);
    latest = null;
    top.waits('');
    part.scrollIntoView({ block: 'nearest' });
  });
  async function look() {
    again = true;
    if (looking) return;
    looking = true;
    while (again && !document.hidden) {
      again = false;
      const fresh = (await page(part.dataset.from ?? location.href))?.getElementById(part.id);
      if (fresh) update(fresh);
      await new Promise((resolve) => { setTimeout(resolve, listPause); });
    }
    looking = false;
  }
  function update(fresh) {
    if (!isRead(part)) {
      renew(part, fresh);
      latest = null;
      top.waits('');
      return;
    }
    latest = fresh;
    const here = ids(part);
    const count = [...ids(fresh)].filter((id) => !here.has(id)).length;
    top.waits(count > 0 ? `${count} newer` : 'Show changes');
  }
  follow(part.dataset.live, {
    says: top.say,
    rows: look,
    open: look, // something may have happened since the page was made, or while the server was away
  });
}

// pollPart looks at a part of the page again every so many seconds, for as long as it says so.
function pollPart(part) {
  const seconds = Number(part.dataset.poll);
  if (!(seconds > 0)) return;
  const timer = setInterval(async () => {
    if (document.hidden || isRead(part)) return;
    const fresh = (await page(part.dataset.from ?? location.href))?.getElementById(part.id);
    if (!fresh || isRead(part)) return;
    renew(part, fresh);
    if (!fresh.dataset.poll) clearInterval(timer);
  }, seconds * 1000);
}
