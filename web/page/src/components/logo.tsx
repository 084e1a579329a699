/** Four parts, the last on its way. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" focusable="false">
      <rect class="logo-ground" width="24" height="24" rx="6" />
      <rect class="logo-part" x="6" y="6" width="5" height="5" rx="1.2" />
      <rect class="logo-part" x="13" y="6" width="5" height="5" rx="1.2" />
      <rect class="logo-part" x="6" y="13" width="5" height="5" rx="1.2" />
      <rect class="logo-part logo-part-moving" x="13" y="13" width="5" height="5" rx="1.2" />
    </svg>
  );
}
