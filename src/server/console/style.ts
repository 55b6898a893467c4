/** The console's style sheet: calm, legible, one accent; both themes from one list of colours, each pair at least 4.5:1. */

export const style = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f6f5, #101513);
  --surface: light-dark(#ffffff, #18201d);
  --raised: light-dark(#eef2f0, #212b27);
  --line: light-dark(#d3dcd8, #33413b);
  --edge: light-dark(#7c8a84, #788a82);
  --ink: light-dark(#16211c, #e6eeea);
  --faint: light-dark(#4c5a54, #a7b6af);
  --accent: light-dark(#0b6b4f, #5fd3a8);
  --on-accent: light-dark(#ffffff, #06231a);
  --good: light-dark(#0b6b4f, #6fdcb2);
  --bad: light-dark(#a8201a, #ff9d94);
  --warn: light-dark(#7a4b00, #f3c26b);
  --bad-ground: light-dark(#fdeceb, #3a1b19);
  --good-ground: light-dark(#e2f4ec, #14352a);
  --warn-ground: light-dark(#fdf1da, #3a2c10);
  --mono: ui-monospace, "SFMono-Regular", Consolas, "Liberation Mono", monospace;
  font: 15px / 1.55 system-ui, -apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  background: var(--ground);
  color: var(--ink);
}
*, *::before, *::after { box-sizing: border-box }
body { margin: 0 }
h1, h2, h3, p, ul, dl, dd, pre, table { margin: 0 }
h1 { font-size: 1.35rem; line-height: 1.3; overflow-wrap: anywhere }
h2 { font-size: 1.05rem }
h3 { font-size: 0.9rem }
ul { padding: 0; list-style: none }
a { color: var(--accent); text-underline-offset: 0.2em }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
code, .mono { font-family: var(--mono); font-size: 0.88em; overflow-wrap: anywhere }
.skip { position: absolute; left: 1rem; top: -4rem; background: var(--surface); padding: 0.5rem 1rem; z-index: 2 }
.skip:focus { top: 0.5rem }
.faint { color: var(--faint) }
.small { font-size: 0.87rem }

header { background: var(--surface); border-bottom: 1px solid var(--line) }
header > div { max-width: 82rem; margin: 0 auto; padding: 0.6rem 1.25rem; display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; align-items: center }
.product { font-weight: 600; color: var(--ink); text-decoration: none }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem }
nav a { display: block; padding: 0.35rem 0.8rem; border-radius: 8px; color: var(--ink); text-decoration: none }
nav a:hover { background: var(--raised) }
nav a[aria-current] { background: var(--good-ground); color: var(--good); font-weight: 600 }
.who { margin-left: auto; display: flex; flex-wrap: wrap; gap: 0.4rem 0.9rem; align-items: center; font-size: 0.9rem }
main { max-width: 82rem; margin: 0 auto; padding: 1.25rem; display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) }
footer { max-width: 82rem; margin: 0 auto; padding: 0 1.25rem 2rem; color: var(--faint); font-size: 0.85rem }
.narrow { max-width: 34rem; margin-inline: auto; width: 100% }

.panel { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.1rem; display: grid; gap: 0.7rem; min-width: 0; align-content: start; grid-template-columns: minmax(0, 1fr) }
.columns { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1.8fr) minmax(0, 1fr); align-items: start }
.column { display: grid; gap: 1rem; min-width: 0; grid-template-columns: minmax(0, 1fr) }
.head { display: flex; flex-wrap: wrap; gap: 0.4rem 0.8rem; align-items: center }
.counts { display: flex; flex-wrap: wrap; gap: 0.4rem 2rem }
.counts div { display: flex; gap: 0.5rem; align-items: baseline }
.counts dt { color: var(--faint); font-size: 0.9rem }
.counts dd { font-weight: 600; font-variant-numeric: tabular-nums }

.say { border-radius: 10px; padding: 0.7rem 1rem; display: grid; gap: 0.3rem; background: var(--good-ground); color: var(--good) }
.say.warn { background: var(--warn-ground); color: var(--warn) }
.say.bad { background: var(--bad-ground); color: var(--bad) }
.say ul { list-style: disc; padding-left: 1.2rem }
.mark { font-size: 0.82rem; border-radius: 1rem; padding: 0.1rem 0.65rem; background: var(--raised); color: var(--faint); white-space: nowrap }
.mark.good { background: var(--good-ground); color: var(--good) }
.mark.bad { background: var(--bad-ground); color: var(--bad) }
.mark.warn { background: var(--warn-ground); color: var(--warn) }

form { display: grid; gap: 0.7rem; margin: 0; grid-template-columns: minmax(0, 1fr) }
form.plain { display: inline }
.row { display: flex; flex-wrap: wrap; gap: 0.7rem 0.9rem; align-items: start }
.row > .field { flex: 1 1 11rem }
.row > .field.wide { flex: 2 1 16rem }
.field { display: grid; gap: 0.25rem; min-width: 0; grid-template-columns: minmax(0, 1fr) }
.field label, legend { font-size: 0.88rem; font-weight: 600 }
.hint { color: var(--faint); font-size: 0.84rem }
.error { color: var(--bad); font-size: 0.88rem; font-weight: 600 }
input, select, textarea { font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--edge); border-radius: 8px; padding: 0.45rem 0.7rem; min-height: 2.5rem; width: 100%; min-width: 0 }
textarea { min-height: 6.5rem; resize: vertical }
[aria-invalid="true"] { border-color: var(--bad); border-width: 2px }
button, .button { font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--edge); border-radius: 8px; padding: 0.45rem 1rem; min-height: 2.5rem; cursor: pointer; white-space: nowrap; display: inline-flex; align-items: center; justify-content: center; text-decoration: none; justify-self: start }
button:hover, .button:hover { background: var(--raised) }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600 }
.primary:hover { background: var(--accent); filter: brightness(1.08) }
.danger { border-color: var(--bad); color: var(--bad); font-weight: 600 }
.danger:hover { background: var(--bad-ground) }
.quiet { min-height: 2rem; padding: 0.15rem 0.7rem; font-size: 0.88rem }
details > summary { cursor: pointer; color: var(--accent); padding: 0.2rem 0; border-radius: 4px }
details[open] > summary { margin-bottom: 0.5rem }

table { border-collapse: collapse; width: 100% }
th { text-align: left; white-space: nowrap; font-size: 0.84rem; color: var(--faint); font-weight: 600 }
th, td { padding: 0.5rem 0.9rem 0.5rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
tr:last-child > td { border-bottom: 0 }
td.act { text-align: right; padding-right: 0 }
time, .whole { font-variant-numeric: tabular-nums; white-space: nowrap }
.id { min-width: 9rem }
.facts { display: grid; grid-template-columns: minmax(6.5rem, auto) minmax(0, 1fr); gap: 0.3rem 1rem }
.facts dt { color: var(--faint); font-size: 0.9rem }
.facts dd { overflow-wrap: anywhere }
pre { font: 0.85rem / 1.5 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; background: var(--raised); border-radius: 8px; padding: 0.5rem 0.7rem }
.pages { display: flex; gap: 0.8rem; flex-wrap: wrap }

@media (max-width: 60rem) { .columns { grid-template-columns: minmax(0, 1fr) } }
@media (max-width: 44rem) {
  header > div, main { padding-inline: 0.9rem }
  .who { margin-left: 0; width: 100% }
  nav a { padding: 0.5rem 0.7rem }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  table, tbody, tr, td { display: block }
  tr { padding: 0.6rem 0; border-bottom: 1px solid var(--line) }
  tr:last-child { border-bottom: 0 }
  .whole { white-space: normal }
  td { border: 0; padding: 0.12rem 0; display: grid; grid-template-columns: 6.2rem minmax(0, 1fr); gap: 0.6rem }
  td::before { content: attr(data-label); color: var(--faint); font-size: 0.84rem }
  td.act { text-align: left }
  td.act::before { content: "" }
  .facts { grid-template-columns: 6.2rem minmax(0, 1fr); gap: 0.3rem 0.6rem }
}
@media (forced-colors: active) { .mark, .say, .panel { border: 1px solid CanvasText } }
`
