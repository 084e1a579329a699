import type { Look } from '../model/item.js';
import type { IconName } from './icons.js';

/** The colour family of a state; never the only sign of it. */
export type Tone = 'quiet' | 'active' | 'attention' | 'watch' | 'prove' | 'good' | 'bad';

/** Colour and icon of every state. The words are in words.ts. */
export function signOf(look: Look): { tone: Tone; icon: IconName } {
  switch (look) {
    case 'idle':
    case 'waiting':
      return { tone: 'quiet', icon: 'clock' };
    case 'preparing':
      return { tone: 'active', icon: 'file' };
    case 'checking':
      return { tone: 'attention', icon: 'search' };
    case 'uploading':
      return { tone: 'active', icon: 'upload' };
    case 'resuming':
      return { tone: 'attention', icon: 'resume' };
    case 'retrying':
      return { tone: 'attention', icon: 'retry' };
    case 'offline':
      return { tone: 'attention', icon: 'offline' };
    case 'watching':
      return { tone: 'watch', icon: 'eye' };
    case 'paused':
      return { tone: 'quiet', icon: 'pause' };
    case 'finishing':
      return { tone: 'prove', icon: 'layers' };
    case 'verifying':
      return { tone: 'prove', icon: 'shield' };
    case 'done':
      return { tone: 'good', icon: 'check' };
    case 'failed':
      return { tone: 'bad', icon: 'alert' };
    case 'aborted':
    case 'cancelling':
      return { tone: 'quiet', icon: 'close' };
  }
}
