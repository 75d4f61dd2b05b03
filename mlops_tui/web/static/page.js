// The keyboard belongs to the terminal from the first picture on, without a click.
const started = new MutationObserver(() => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) {
    started.disconnect();
    keys.focus();
  }
});
started.observe(document.body, { attributes: true, attributeFilter: ["class"] });

document.getElementById("again").addEventListener("click", () => window.location.reload());
