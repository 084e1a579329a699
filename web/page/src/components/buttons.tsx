import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { icon, type IconName } from './icons.js';

interface IconButtonProps {
  icon: IconName;
  /** What it does and to what: `Pause holiday.mp4`. */
  label: string;
  /** The same without the name, for the tooltip. */
  title: string;
  action: string;
  onClick: () => void;
}

/** A button that is only an icon to the eye. */
export function IconButton({ icon: name, label, title, action, onClick }: IconButtonProps) {
  return (
    <button type="button" class="icon-button" aria-label={label} title={title} data-action={action} onClick={onClick}>
      {icon(name)}
    </button>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'plain' | 'danger';
  /** For whoever does not see what stands beside it. */
  label?: string;
  action?: string;
  onClick: () => void;
}

export function Button({ children, icon: name, kind = 'plain', label, action, onClick }: ButtonProps) {
  return (
    <button type="button" class={`button button-${kind}`} aria-label={label} data-action={action} onClick={onClick}>
      {name && icon(name)}
      {children}
    </button>
  );
}

/** Copies a text, and says for a moment that it did. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      class="copy"
      aria-label={copied ? `${what} copied` : `Copy ${what}`}
      title={`Copy ${what}`}
      data-action="copy"
      onClick={() => void copy(text).then(setCopied)}
    >
      {icon(copied ? 'check' : 'copy')}
    </button>
  );
}

/** Pages that are not secure have no clipboard object; the old way works there. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'off-screen';
    const before = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}
