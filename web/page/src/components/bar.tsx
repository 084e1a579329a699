interface BarProps {
  label: string;
  /** Percent, whole; `null` when it cannot be told how long it takes. */
  value: number | null;
  words: string;
  /** 0 to 1, what storage has. */
  stored: number;
  /** 0 to 1, what is on its way. */
  sending: number;
}

/** Stored, sending (lighter), missing. */
export function Bar({ label, value, words, stored, sending }: BarProps) {
  return (
    <div
      class="bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(value === null ? {} : { 'aria-valuenow': value })}
      aria-valuetext={words}
      data-endless={value === null ? 'true' : undefined}
    >
      <div class="bar-sending" style={{ transform: scale(stored + sending) }} />
      <div class="bar-stored" style={{ transform: scale(stored) }} />
    </div>
  );
}

/** A transform moves without a new layout of the page. */
function scale(share: number): string {
  return `scaleX(${Math.max(0, Math.min(1, share))})`;
}
