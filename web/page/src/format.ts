/** Numbers, sizes, times and names as people read them. Pure: the time is an argument. */

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
const INTEGER = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1204` → `1,204`. */
export function count(value: number): string {
  return INTEGER.format(value);
}

/** `plural(1, 'part')` → `1 part`, `plural(1204, 'part')` → `1,204 parts`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three significant digits in decimal units: `12.4 MB`, `50 GB`, `1 byte`. */
export function bytes(value: number): string {
  const [digits, unit] = scaled(value);
  const trimmed = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
  return `${trimmed} ${value === 1 ? 'byte' : unit}`;
}

/** The same for a number that moves: it keeps its zeros, so that it does not jump. */
export function movingBytes(value: number): string {
  return scaled(value).join(' ');
}

/** `53,687,091,200 bytes`. */
export function exactBytes(value: number): string {
  return plural(value, 'byte');
}

/** `12.4 MB/s`. */
export function rate(bytesPerSecond: number): string {
  return `${movingBytes(bytesPerSecond)}/s`;
}

/** Whole percent, rounded down: 100 is reached only at the end. */
export function percent(value: number): string {
  return `${Math.floor(value)} %`;
}

/** As people speak: `a few seconds`, `40 s`, `3 min`, `1 h 20 min`, `2 days 3 h`. */
export function duration(seconds: number): string {
  if (seconds < 5) return 'a few seconds';
  if (seconds < 58) return `${Math.ceil(seconds / 5) * 5} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rounded = minutes < 600 ? Math.round(minutes / 5) * 5 : Math.round(minutes / 60) * 60;
  if (rounded < 24 * 60) return joined(Math.floor(rounded / 60), 'h', rounded % 60, 'min');
  const hours = Math.round(minutes / 60);
  const days = Math.floor(hours / 24);
  return joined(days, days === 1 ? 'day' : 'days', days < 7 ? hours % 24 : 0, 'h');
}

/** `3 min left`. */
export function timeLeft(seconds: number): string {
  return `${duration(seconds)} left`;
}

/** How long something took, which is known exactly: `0.4 s`, `12 s`, `3 min 20 s`. */
export function took(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), 'min', whole % 60, 's');
  return duration(whole);
}

/** A day as people name it, with the time: `today, 21:40`, `yesterday, 09:05`, `14 November, 09:05`. */
export function moment(at: Date, now: Date): string {
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const days = Math.round((midnight(now) - midnight(at)) / DAY);
  if (days === 0) return `today, ${clock}`;
  if (days === 1) return `yesterday, ${clock}`;
  if (days === -1) return `tomorrow, ${clock}`;
  const year = at.getFullYear() === now.getFullYear() ? '' : ` ${at.getFullYear()}`;
  return `${at.getDate()} ${MONTHS[at.getMonth()]}${year}, ${clock}`;
}

/** `21:47:03`. */
export function clock(at: Date): string {
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
}

/** How long until something: `in 6 days`, `in 3 h`; `now` when it is past. */
export function until(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  if (seconds <= 0) return 'now';
  return `in ${seconds < 3600 ? duration(Math.max(seconds, 5)) : span(seconds)}`;
}

/** A whole span of time: `7 days`, `12 hours`, `30 minutes`. */
export function span(seconds: number): string {
  if (seconds >= 2 * 86_400) return plural(Math.floor(seconds / 86_400), 'day');
  if (seconds >= 3600) return plural(Math.floor(seconds / 3600), 'hour');
  return plural(Math.max(1, Math.floor(seconds / 60)), 'minute');
}

/**
 * Splits a name for an ellipsis in the middle: the head may be shortened, the tail never. The tail holds the extension
 * and a little before it. Characters that people see as one are not torn apart.
 */
export function splitName(name: string): [head: string, tail: string] {
  const characters = [...new Intl.Segmenter().segment(name)].map((part) => part.segment);
  if (characters.length <= SHORT) return [name, ''];
  const dot = characters.lastIndexOf('.');
  const extension = dot > 0 && characters.length - dot <= 6 ? characters.length - dot : 0;
  const cut = characters.length - Math.min(extension + 5, 10);
  return [characters.slice(0, cut).join(''), characters.slice(cut).join('')];
}

/** `photos/2026/a.jpg` → `photos/2026`; a file that lies in no folder has none. */
export function folderOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

const SHORT = 16;
const DAY = 86_400_000;
const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June',
  'July', 'August', 'September', 'October', 'November', 'December',
];

function scaled(value: number): [digits: string, unit: string] {
  if (value < 1000) return [String(Math.round(value)), 'bytes'];
  let scaledValue = value;
  let unit = 0;
  // 999.5 rounds to four digits, so the next unit begins there.
  while (scaledValue >= 999.5 && unit < UNITS.length - 1) {
    scaledValue /= 1000;
    unit += 1;
  }
  const decimals = scaledValue < 9.995 ? 2 : scaledValue < 99.95 ? 1 : 0;
  return [scaledValue.toFixed(decimals), UNITS[unit] ?? 'bytes'];
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
