/** Absolute paths of a VM's files. */

/** A folder's entry of a name. */
export function join(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** The folder that a path lies in; that of `/` is `/`. */
export function parent(path: string): string {
  const cut = path.replace(/\/+$/, "").lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, "").split("/").at(-1) ?? "";
}

/** What was typed as an absolute path: a relative one is meant from `folder` on; `.` and `..` are resolved. */
export function resolve(folder: string, typed: string): string {
  const parts: string[] = [];
  for (const part of (typed.startsWith("/") ? typed : join(folder, typed)).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** A path's folders from the root on, with the path of each. */
export function crumbs(path: string): { name: string; path: string }[] {
  const names = path.split("/").filter((name) => name !== "");
  return [
    { name: "/", path: "/" },
    ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join("/")}` })),
  ];
}
