// Browsers may break a line behind each dash. Here a word of code, such as --threads or a path,
// stays whole; girin.css breaks it only where it is longer than a line.
for (const code of document.querySelectorAll(".md-typeset :not(pre) > code")) {
  const words = code.textContent.split(" ");
  code.replaceChildren(...words.flatMap((word, i) => {
    const whole = document.createElement("span");
    whole.textContent = word;
    return i === 0 ? [whole] : [" ", whole];
  }));
}
