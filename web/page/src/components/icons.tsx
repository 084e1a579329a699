import type { ComponentChildren } from 'preact';

/** Line icons on a 20-pixel grid. They are decoration: words stand beside them, or a label on the button. */
function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const PATHS = {
  upload: <path d="M10 13.5V4m0 0L6 8m4-4 4 4M3.5 13v2A1.5 1.5 0 0 0 5 16.5h10a1.5 1.5 0 0 0 1.5-1.5v-2" />,
  folder: <path d="M2.5 6A1.5 1.5 0 0 1 4 4.5h3.3l1.8 2H16A1.5 1.5 0 0 1 17.5 8v6A1.5 1.5 0 0 1 16 15.5H4A1.5 1.5 0 0 1 2.5 14z" />,
  pause: <path d="M7 4.5v11M13 4.5v11" />,
  play: <path d="M6.5 4.3v11.4l9-5.7z" />,
  close: <path d="m5 5 10 10M15 5 5 15" />,
  chevron: <path d="m5.5 8 4.5 4.5L14.5 8" />,
  check: <path d="m4.5 10.5 3.7 3.7 7.3-8" />,
  alert: <><path d="M10 3 2.5 16h15z" /><path d="M10 8.2v3.6M10 13.9v.1" /></>,
  offline: <><path d="M3 7.5a10.5 10.5 0 0 1 4-2.3m3.5-.5A10.5 10.5 0 0 1 17 7.5M5.7 10.5a6.5 6.5 0 0 1 2.6-1.5m4 .4a6.5 6.5 0 0 1 2 1.1M10 14.7v.1" /><path d="m3.5 3 13 14" /></>,
  clock: <><circle cx="10" cy="10" r="7" /><path d="M10 6v4.2l2.7 1.6" /></>,
  retry: <path d="M16 10a6 6 0 1 1-1.8-4.3L16 7.5M16 3.5v4h-4" />,
  resume: <path d="M4 10a6 6 0 0 1 10.2-4.3L16 7.5m0-4v4h-4M16 10a6 6 0 0 1-10.2 4.3L4 12.5m0 4v-4h4" />,
  copy: <><rect x="7" y="7" width="9" height="9" rx="1.5" /><path d="M13 7V5.5A1.5 1.5 0 0 0 11.5 4h-6A1.5 1.5 0 0 0 4 5.5v6A1.5 1.5 0 0 0 5.5 13H7" /></>,
  download: <path d="M10 4v9.5m0 0 4-4m-4 4-4-4M4 16.5h12" />,
  trash: <path d="M4 5.5h12M8 5.5V4h4v1.5m2.5 0-.6 10.5H6.1L5.5 5.5M8.5 8.5v4.5m3-4.5v4.5" />,
  eye: <><path d="M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5z" /><circle cx="10" cy="10" r="2.2" /></>,
  layers: <path d="m10 3.5 7 3.7-7 3.7-7-3.7zM3.5 10.7l6.5 3.4 6.5-3.4M3.5 13.9 10 17.3l6.5-3.4" />,
  shield: <><path d="M10 2.8 4 5v4.7c0 3.7 2.5 6.2 6 7.5 3.5-1.3 6-3.8 6-7.5V5z" /><path d="m7.5 10 1.8 1.8 3.3-3.6" /></>,
  search: <><circle cx="9" cy="9" r="5" /><path d="m12.7 12.7 3.8 3.8" /></>,
  file: <path d="M11.5 2.8H6A1.5 1.5 0 0 0 4.5 4.3v11.4A1.5 1.5 0 0 0 6 17.2h8a1.5 1.5 0 0 0 1.5-1.5V6.8zm0 0v4h4" />,
  plus: <path d="M10 4.5v11M4.5 10h11" />,
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName) {
  return <Icon>{PATHS[name]}</Icon>;
}
