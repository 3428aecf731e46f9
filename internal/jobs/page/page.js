
'use strict';
const token = document.querySelector('meta[name=girin-token]').content;
const find = (at, what) => at.querySelector(what);
const state = document.getElementById('state');
let ahead = 0; // ms that the server's clock is ahead of this one
let board = null;

function make(name, text, className) {
  const e = document.createElement(name);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

// set changes an element only if there is something to change, so that a selection stays.
function set(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

function span(ms) {
  const s = Math.max(ms, 0) / 1000;
  if (s < 10) return s.toFixed(1) + ' s';
  if (s < 120) return Math.round(s) + ' s';
  if (s < 7200) return Math.round(s / 60) + ' min';
  if (s < 172800) return Math.round(s / 3600) + ' h';
  return Math.round(s / 86400) + ' days';
}

const since = time => span(Date.now() + ahead - Date.parse(time));

function when(job) {
  if (job.status === 'running') return 'for ' + since(job.began);
  if (job.status === 'queued') {
    const left = job.after ? Date.parse(job.after) - Date.now() - ahead : 0;
    return left > 0 ? 'in ' + span(left) : 'for ' + since(job.created);
  }
  return since(job.ended) + ' ago';
}

function where(job) {
  if (job.status === 'running') return 'on ' + job.node;
  if (job.status === 'queued') return [job.priority, job.attempt ? 'attempt ' + (job.attempt + 1) : ''].filter(Boolean).join(', ');
  return job.began ? 'ran ' + span(Date.parse(job.ended) - Date.parse(job.began)) : '';
}

async function act(job, method, after, button) {
  button.disabled = true;
  try {
    const answer = await fetch(job.id + after, {method, headers: {'X-Girin-Token': token}});
    if (!answer.ok) throw new Error((await answer.text()).trim());
  } catch (fault) {
    const why = find(button.closest('.job'), '.why');
    why.hidden = false;
    why.textContent = fault.message;
    button.disabled = false;
  }
}

// sure makes a button that acts when it is pressed twice.
function sure(text, run) {
  const button = make('button', text);
  button.type = 'button';
  let back;
  button.onclick = () => {
    clearTimeout(back);
    if (button.classList.contains('sure')) return run(button);
    button.classList.add('sure');
    button.textContent = 'Sure?';
    back = setTimeout(() => { button.classList.remove('sure'); button.textContent = text; }, 4000);
  };
  return button;
}

function actions(row, job) {
  const what = job.cancel ? 'told' : job.status === 'running' || job.status === 'queued' ? 'cancel' : job.again ? 'retry' : '';
  const as = [what, job.status, job.attempt, job.ended].join();
  if (row.dataset.what === as) return;
  row.dataset.what = as;
  const at = find(row, '.do');
  at.replaceChildren();
  if (what === 'told') at.append(make('span', 'cancelled', 'where'));
  if (what === 'cancel') at.append(sure('Cancel', button => act(job, 'DELETE', '', button)));
  if (what === 'retry') {
    const button = make('button', 'Retry');
    button.type = 'button';
    button.onclick = () => act(job, 'POST', '/retry', button);
    at.append(button);
  }
}

// open shows all that is known of a job.
async function open(row, id) {
  const more = find(row, '.more'), button = find(row, '.open');
  more.hidden = !more.hidden;
  button.setAttribute('aria-expanded', String(!more.hidden));
  if (more.hidden) return;
  let job;
  try {
    const answer = await fetch(id);
    if (!answer.ok) throw new Error((await answer.text()).trim());
    job = await answer.json();
  } catch (fault) {
    more.replaceChildren(make('p', fault.message, 'why'));
    return;
  }
  const list = document.createElement('dl');
  const fact = (name, value) => value && list.append(make('dt', name), make('dd', value));
  fact('Job', job.id);
  fact('Attempts', String(job.attempt || 0));
  fact('Answer', job.code && String(job.code));
  fact('On', job.node);
  for (const name of ['created', 'began', 'ended']) fact(name[0].toUpperCase() + name.slice(1), job[name] && new Date(job[name]).toLocaleString());
  more.replaceChildren(list);
  if (job.log) more.append(make('pre', job.log));
  else if (['failed', 'lost', 'dead'].includes(job.status)) more.append(make('p', 'It has said nothing.', 'none'));
}

function newRow(id) {
  const row = document.getElementById('job').content.firstElementChild.cloneNode(true);
  row.dataset.id = id;
  find(row, '.open').onclick = () => open(row, id);
  return row;
}

function fill(row, job) {
  set(find(row, '.route'), job.route);
  set(find(row, '.id'), job.id);
  const status = find(row, '.status');
  set(status, job.status + (job.status === 'done' && job.code !== 200 ? ' ' + job.code : ''));
  status.dataset.is = job.status;
  set(find(row, '.where'), where(job));
  set(find(row, '.when'), when(job));
  actions(row, job);
  const bar = find(row, '.bar');
  bar.hidden = job.status !== 'running' || !(job.progress || job.text);
  find(bar, 'progress').value = job.progress || 0;
  set(find(bar, 'span'), Math.round(100 * (job.progress || 0)) + ' %' + (job.text ? ', ' + job.text : ''));
  const why = find(row, '.why');
  const text = [job.reason, job.unserved && 'no server has version ' + job.version].filter(Boolean).join('; ');
  why.hidden = !text;
  why.classList.toggle('calm', job.status === 'cancelled');
  set(why, text);
}

// show puts jobs into a section; rows stay what they were, so that what is open or has the focus stays so.
function show(id, jobs, all) {
  const section = document.getElementById(id), list = find(section, '.jobs');
  const rows = new Map([...list.children].map(row => [row.dataset.id, row]));
  jobs.forEach((job, i) => {
    const row = rows.get(job.id) || newRow(job.id);
    rows.delete(job.id);
    fill(row, job);
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] || null);
  });
  for (const row of rows.values()) row.remove();
  const title = find(section, 'h2');
  let of = find(title, '.of');
  if (!of) title.append(' ', of = make('span', '', 'of'));
  set(of, all > jobs.length ? `${jobs.length} of ${all}` : all ? String(all) : '');
}

function render() {
  const counts = board.counts || {};
  const sums = {queued: counts.queued || 0, running: counts.running || 0, done: counts.done || 0, bad: (counts.failed || 0) + (counts.lost || 0) + (counts.dead || 0)};
  for (const e of document.querySelectorAll('[data-sum]')) set(e, sums[e.dataset.sum].toLocaleString('en'));
  document.querySelector('#sums .bad').classList.toggle('some', sums.bad > 0);
  show('running', board.jobs.running, sums.running);
  show('waiting', board.jobs.waiting, sums.queued);
  show('bad', board.jobs.bad, sums.bad);
  show('ended', board.jobs.ended, sums.done + (counts.cancelled || 0));
  const body = document.querySelector('#servers tbody');
  body.replaceChildren(...board.peers.map(peer => {
    const row = document.createElement('tr');
    row.append(make('td', peer.host), make('td', String(peer.pid)), make('td', peer.version), make('td', `${peer.works} of ${peer.slots}`, 'n'), make('td', `${peer.busy} of ${peer.slots}`, 'n'));
    return row;
  }));
  const others = board.waiting || board.running ? ` · clients that wait: ${board.waiting} not begun, ${board.running} run here` : '';
  state.className = board.connected ? 'up' : 'down';
  set(state, board.connected ? 'version ' + board.version + others : 'the engine of the jobs does not answer: requests run here');
}

// watch follows the board. After an answer that is none, as a proxy's while the server starts, a browser would ask no more.
function watch() {
  const events = new EventSource('events');
  events.addEventListener('board', e => {
    board = JSON.parse(e.data);
    ahead = Date.parse(board.now) - Date.now();
    render();
  });
  events.onerror = () => {
    state.className = 'down';
    state.textContent = 'no connection to the server; trying again';
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, 5000);
  };
}
watch();
setInterval(() => {
  if (!board) return;
  const jobs = new Map(Object.values(board.jobs).flat().map(job => [job.id, job]));
  for (const row of document.querySelectorAll('.job')) {
    const job = jobs.get(row.dataset.id);
    if (job) set(find(row, '.when'), when(job));
  }
}, 1000);
