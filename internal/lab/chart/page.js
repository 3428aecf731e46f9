'use strict';
// What pages with charts share: the theme, and what is pointed at.
(() => {
  const root = document.documentElement;
  // The system's theme until the button says otherwise.
  document.getElementById('theme').addEventListener('click', () => {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  });
  const tip = document.getElementById('tip');
  document.addEventListener('pointermove', event => {
    const mark = event.target.closest('[data-tip]');
    if (!mark || !mark.dataset.tip) { tip.style.display = 'none'; return; }
    tip.textContent = mark.dataset.tip;
    tip.style.display = 'block';
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.min(event.clientX + 14, innerWidth - box.width - 8) + 'px';
    tip.style.top = (event.clientY + box.height + 26 > innerHeight ? event.clientY - box.height - 10 : event.clientY + 16) + 'px';
  });
})();
