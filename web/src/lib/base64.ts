/** Standard base64 as text; bytes that are no UTF-8 become U+FFFD. */
export function decodeText(base64: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}
