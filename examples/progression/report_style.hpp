// The report's style sheet: system fonts, light and dark, from a phone's width up.
#pragma once

#include <string_view>

namespace progression {

inline constexpr std::string_view report_style = R"css(
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #23262d; --soft: #636975; --line: #e4e2dc; --track: #efede8;
  --accent: #0f766e; --accent-soft: #0f766e22; --other: #8d97a8; --loser: #c2553a; --ceiling: #b08423; --shade: #0003;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", "URW Palladio L", Georgia, serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171b; --card: #1d2026; --ink: #e8e6e1; --soft: #9aa1ad; --line: #30343c; --track: #282c33;
    --accent: #4fc4b7; --accent-soft: #4fc4b726; --other: #75809280; --loser: #ef8a6e; --ceiling: #d9ae55; --shade: #000a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 var(--sans); -webkit-text-size-adjust: 100%; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 28px 80px; }
h1, h2 { font-family: var(--serif); font-weight: 600; line-height: 1.15; text-wrap: balance; }
h1 { font-size: clamp(2rem, 5vw, 3.1rem); margin: 6px 0 16px; letter-spacing: -0.01em; }
h2 { font-size: 1.6rem; margin: 64px 0 6px; }
p { max-width: 68ch; }
.eyebrow { color: var(--accent); font-size: .78rem; font-weight: 600; letter-spacing: .12em; text-transform: uppercase; }
.lede { font-size: 1.12rem; color: var(--soft); max-width: 62ch; margin: 0; }
.note { color: var(--soft); margin: 0 0 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 22px 24px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(215px, 1fr)); gap: 14px; margin-top: 32px; }
.figure b { display: block; font: 600 1.6rem/1.25 var(--serif); font-variant-numeric: tabular-nums; white-space: nowrap; }
.figure b small { font: 400 1rem var(--sans); color: var(--soft); }
.figure span { display: block; color: var(--soft); font-size: .9rem; line-height: 1.4; margin-top: 4px; }
.figure.main b { color: var(--accent); }
.diagram { width: 100%; height: auto; display: block; max-width: 820px; margin: 0 auto; }
.diagram.tall { display: none; max-width: 420px; }
.diagram rect { fill: var(--paper); stroke: var(--line); stroke-width: 1.5; }
.diagram .learned rect { fill: var(--accent-soft); stroke: var(--accent); }
.diagram path { fill: none; stroke: var(--soft); stroke-width: 1.5; }
.diagram .head { fill: var(--soft); stroke: none; }
.diagram text { fill: var(--ink); font: 600 14px var(--sans); text-anchor: middle; }
.diagram text.small { fill: var(--soft); font: 12px var(--sans); }
.row { display: grid; grid-template-columns: minmax(190px, 1.1fr) 1.2fr 1.2fr; gap: 8px 28px; padding: 13px 0; border-top: 1px solid var(--line); align-items: center; }
.row:first-child { border-top: 0; padding-top: 0; }
.row.head { color: var(--soft); font-size: .82rem; padding-bottom: 6px; }
.row .name { font-weight: 600; line-height: 1.25; }
.row .name small { display: block; font-weight: 400; color: var(--soft); font-size: .82rem; margin-top: 2px; }
.measure { display: grid; grid-template-columns: 1fr 108px; gap: 12px; align-items: center; font-variant-numeric: tabular-nums; }
.measure .value { text-align: right; white-space: nowrap; }
.measure .value small { color: var(--soft); }
.track { position: relative; height: 12px; border-radius: 4px; background: var(--track); }
.track i { position: absolute; top: 0; bottom: 0; background: var(--other); border-radius: 3px; }
.track u { position: absolute; top: 5px; height: 2px; background: var(--ink); }
.track u::before, .track u::after { content: ""; position: absolute; top: -3px; width: 1.5px; height: 8px; background: var(--ink); }
.track u::before { left: 0; } .track u::after { right: 0; }
.track s { position: absolute; top: -4px; bottom: -4px; width: 1px; background: var(--soft); opacity: .6; }
.sysdpo .track i { background: var(--accent); } .sysdpo .name, .sysdpo .value b { color: var(--accent); }
.caption_oracle .track i { background: var(--ceiling); }
.strips { display: grid; gap: 18px; }
.strips h3 { font: italic 400 1.12rem/1.35 var(--serif); margin: 0 0 14px; text-wrap: balance; }
.strips h3::before { content: "“"; } .strips h3::after { content: "”"; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px 36px; }
.pair h4 { margin: 0 0 6px; font-size: .75rem; letter-spacing: .09em; text-transform: uppercase; color: var(--soft); font-weight: 600; display: flex; justify-content: space-between; }
.pair h4 em { font-style: normal; letter-spacing: 0; text-transform: none; font-variant-numeric: tabular-nums; }
.pair .good { color: var(--accent); } .pair .bad { color: var(--loser); }
.panels { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px; }
.panels figure { margin: 0; min-width: 0; }
.panels img { width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 6px; display: block; background: var(--track); }
.panels figcaption { font-size: .78rem; line-height: 1.3; color: var(--soft); margin-top: 5px; overflow-wrap: anywhere; }
.panels .track { height: 5px; margin-top: 6px; } .after .track i { background: var(--accent); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 8px 20px; }
h3.group { font: 600 1rem var(--sans); margin: 26px 0 8px; } h3.group:first-child { margin-top: 0; }
h3.group small { color: var(--soft); font-weight: 400; }
.plot { width: 100%; height: auto; display: block; font-family: var(--sans); }
.plot .title { fill: var(--soft); font-size: 12px; font-weight: 600; }
.plot .tick { fill: var(--soft); font-size: 10.5px; font-variant-numeric: tabular-nums; }
.plot .label { font-size: 11px; font-weight: 600; }
.plot .grid { stroke: var(--line); stroke-width: 1; } .plot .level { stroke: var(--soft); stroke-dasharray: 4 4; }
.plot polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.plot .one { stroke: var(--accent); } .plot .two { stroke: var(--loser); }
.plot .label { stroke: none; } .plot .label.one { fill: var(--accent); } .plot .label.two { fill: var(--loser); }
.credit { display: grid; grid-template-columns: minmax(150px, 1fr) 3fr; gap: 8px 28px; padding: 9px 0; align-items: center; }
.credit .name { font-weight: 600; line-height: 1.25; } .credit .name small { display: block; font-weight: 400; color: var(--soft); }
.shares { display: flex; gap: 3px; font-size: .82rem; font-weight: 600; white-space: nowrap; }
.shares div { padding: 5px 10px; border-radius: 5px; min-width: max-content; }
.shares .one { background: var(--accent-soft); color: var(--accent); } .shares .two { background: color-mix(in srgb, var(--ceiling) 18%, transparent); color: var(--ceiling); }
.shares .against { background-image: repeating-linear-gradient(135deg, transparent 0 6px, var(--card) 6px 9px); }
/* A shadow at the edge beyond which a table goes on. */
.scroll { overflow-x: auto; background: linear-gradient(to right, var(--card) 40%, transparent) left / 40px 100% no-repeat local,
  linear-gradient(to left, var(--card) 40%, transparent) right / 40px 100% no-repeat local,
  radial-gradient(farthest-side at 0 50%, var(--shade), transparent) left / 14px 100% no-repeat scroll,
  radial-gradient(farthest-side at 100% 50%, var(--shade), transparent) right / 14px 100% no-repeat scroll, var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--soft); font-size: .8rem; vertical-align: bottom; line-height: 1.2; padding: 0 8px 8px; }
td { text-align: right; padding: 6px 8px; border-top: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td:first-child, th:first-child { padding-left: 0; }
td small { color: var(--soft); } .attributes td small { display: block; line-height: 1.1; }
.attributes { font-size: .82rem; } .attributes th { padding: 0 5px 8px; font-size: .74rem; } .attributes td { padding: 5px; }
tr.chosen td { font-weight: 600; color: var(--accent); }
.card + details { margin-top: 14px; } details summary { cursor: pointer; font-weight: 600; } details[open] summary { margin-bottom: 14px; }
.stage { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(60px, 1fr) 104px; gap: 14px; align-items: center; padding: 4px 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
.stage span:first-child { overflow-wrap: anywhere; line-height: 1.3; }
.stage span:last-child { text-align: right; color: var(--soft); }
dl { display: grid; grid-template-columns: fit-content(45%) 1fr; gap: 4px 20px; margin: 0; font-size: .92rem; } dt { color: var(--soft); } dd { margin: 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(380px, 100%), 1fr)); gap: 18px; }
ul { padding-left: 1.1em; max-width: 70ch; } li { margin: 6px 0; }
footer { margin-top: 64px; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); padding-top: 16px; }
@media (max-width: 720px) {
  main { padding: 32px 16px 56px; } h2 { margin-top: 48px; } .card { padding: 16px; border-radius: 12px; }
  .credit { grid-template-columns: 1fr; }
  .row { grid-template-columns: 1fr; gap: 7px; } .row.head { display: none; } .row.head + .row { border-top: 0; padding-top: 0; }
  .diagram.wide { display: none; } .diagram.tall { display: block; }
  .measure::before { content: attr(data-name); color: var(--soft); font-size: .8rem; }
  .measure { grid-template-columns: 36px 1fr 112px; gap: 8px; }
  .pair { grid-template-columns: 1fr; } .figures { grid-template-columns: 1fr 1fr; } .figure { padding: 14px; }
  .figure b { font-size: 1.35rem; } .figure b small { font-size: .85rem; display: block; } .figure.main { grid-column: 1 / -1; }
}
)css";

}  // namespace progression
