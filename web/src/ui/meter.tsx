interface Props {
  label: string;
  value: number;
  max: number;
  text: string;
}

/** How much of something is used. */
export function Meter({ label, value, max, text }: Props) {
  return (
    <div class="meter">
      <span>{label}</span>
      <meter value={value} max={max} aria-label={label} />
      <span class="number">{text}</span>
    </div>
  );
}
