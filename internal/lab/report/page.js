(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const $ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Filter by server.
  for (const box of $('input[data-filter]')) {
    box.addEventListener('change', () => {
      for (const e of $('[data-subject]')) {
        if (e.dataset.subject === box.dataset.filter) e.style.display = box.checked ? '' : 'none';
      }
    });
  }

  // Tables sort by a click on a heading; cells without a number go last.
  for (const head of $('th')) {
    const button = head.querySelector('button');
    if (!button) continue;
    button.addEventListener('click', () => {
      const column = head.cellIndex, body = head.closest('table').tBodies[0];
      const down = head.getAttribute('aria-sort') !== 'descending';
      for (const other of head.parentNode.cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const value = row => (row.cells[column] && row.cells[column].dataset.v) || '';
      const rows = [...body.rows].sort((a, b) => {
        const x = value(a), y = value(b);
        if (x === '' || y === '') return (x === '') - (y === '');
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return down ? -order : order;
      });
      body.append(...rows);
    });
  }

  // Timelines: one bar per request, waiting for a thread and in the app.
  const dialog = document.getElementById('timeline');
  const element = (name, attributes, text) => {
    const e = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text) e.textContent = text;
    return e;
  };
  const number = v => v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2);

  function draw(requests) {
    const width = 940, row = requests.length > 80 ? 5 : requests.length > 40 ? 9 : 13, left = 8, top = 22;
    const last = Math.max(0.01, ...requests.map(r => r[3])); // all may have failed at once
    const x = v => left + (width - 2 * left) * v / last;
    const svg = element('svg', { viewBox: `0 0 ${width} ${top + requests.length * row + 6}`, role: 'img' });
    const step = 10 ** Math.floor(Math.log10(last / 2));
    for (let t = 0; t <= last; t += step * (last / step > 12 ? 2 : 1)) {
      svg.append(element('line', { x1: x(t), x2: x(t), y1: top - 4, y2: top + requests.length * row, style: 'stroke:var(--grid)' }));
      svg.append(element('text', { x: x(t) + 2, y: 12, 'font-size': 11, style: 'fill:var(--muted)' }, number(t) + ' ms'));
    }
    requests.forEach(([sent, begin, end, done, ok], i) => {
      const y = top + i * row, known = begin > 0 || end > 0;
      const what = element('g', { 'data-tip': `request ${i + 1}\nsent ${number(sent)} ms\n` +
        (known ? `waited for a thread ${number(Math.max(0, begin - sent))} ms\nin the app ${number(end - begin)} ms\n` : '') +
        `answered ${number(done)} ms` + (ok ? '' : '\nFAILED') });
      const part = (from, to, color) => {
        if (to > from) what.append(element('rect', { x: x(from), width: Math.max(x(to) - x(from), .6), y, height: row - 2, style: `fill:var(--${color})` }));
      };
      if (!ok) part(sent, done, 'alarm');
      else if (!known) part(sent, done, 'other');
      else { part(sent, begin, 'grid'); part(begin, end, 'gevent-edge'); part(end, done, 'auto'); }
      svg.append(what);
    });
    return svg;
  }

  function open(key) {
    const cell = data[key];
    if (!cell) return;
    dialog.querySelector('h3').textContent = cell.title;
    dialog.querySelector('.about').textContent = cell.about;
    const place = dialog.querySelector('.plot');
    place.replaceChildren();
    if (cell.requests.length) place.append(draw(cell.requests));
    dialog.querySelector('.command').textContent = cell.command;
    dialog.showModal();
  }
  document.addEventListener('click', event => {
    const mark = event.target.closest('[data-cell]');
    if (mark && mark.dataset.cell) open(mark.dataset.cell);
    else if (event.target === dialog || event.target.closest('dialog .close')) dialog.close();
  });

  // Paper shows everything.
  addEventListener('beforeprint', () => $('details').forEach(d => { d.open = true; }));
})();
