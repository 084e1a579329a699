import { useEffect, useReducer } from 'preact/hooks';
import type { Changes } from './changes.js';

/** Renders the component again when one of these changed. */
export function useChanges(...sources: Changes[]): void {
  const [, render] = useReducer((version: number) => version + 1, 0);
  useEffect(() => {
    // What changed between the first render and this moment is not told again.
    render(0);
    const forget = sources.map((source) => source.subscribe(() => render(0)));
    return () => forget.forEach((each) => each());
  }, sources);
}

/** Renders the component again every so often, for texts that tell the time. */
export function useEvery(milliseconds: number): void {
  const [, render] = useReducer((version: number) => version + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => render(0), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}
