import { Link } from "./link";

interface Props<T extends string> {
  label: string;
  tabs: readonly T[];
  current: T;
  address: (tab: T) => string;
}

/** Parts of a page with an address each. */
export function Tabs<T extends string>({ label, tabs, current, address }: Props<T>) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <Link key={tab} href={address(tab)} current={tab === current}>
          {tab}
        </Link>
      ))}
    </nav>
  );
}
