/** Files on their way into a VM, one after the other. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../../../api/error";
import { upload } from "../../../api/upload";
import { join } from "../../../lib/paths";
import { uploadAddress } from "./calls";

export interface Upload {
  key: number;
  path: string;
  total: number;
  sent: number;
  state: "waiting" | "sending" | "failed";
  error: unknown;
}

interface Task {
  key: number;
  path: string;
  file: File;
}

export interface Uploads {
  list: readonly Upload[];
  add: (folder: string, files: readonly File[]) => void;
  /** Gives one up, or takes one that failed off the list. */
  drop: (key: number) => void;
}

/** Uploads of one VM; `onDone` hears of each that has arrived. They are given up when the view goes. */
export function useUploads(id: string, onDone: () => void): Uploads {
  const [list, setList] = useState<readonly Upload[]>([]);
  const queue = useRef<Task[]>([]);
  const running = useRef<{ key: number; controller: AbortController } | null>(null);
  const nextKey = useRef(0);
  const done = useRef(onDone);
  done.current = onDone;

  const change = useCallback((key: number, fields: Partial<Upload>) => {
    setList((old) => old.map((each) => (each.key === key ? { ...each, ...fields } : each)));
  }, []);
  const forget = useCallback((key: number) => {
    setList((old) => old.filter((each) => each.key !== key));
  }, []);

  const work = useCallback(async () => {
    if (running.current) return;
    for (let task = queue.current.shift(); task; task = queue.current.shift()) {
      const { key, path, file } = task;
      const controller = new AbortController();
      running.current = { key, controller };
      change(key, { state: "sending" });
      try {
        const onProgress = ({ sent }: { sent: number }) => {
          change(key, { sent });
        };
        await upload(uploadAddress(id, path), file, onProgress, controller.signal);
        forget(key);
        done.current();
      } catch (error) {
        if (isAbort(error)) forget(key);
        else change(key, { state: "failed", error });
      }
      running.current = null;
    }
  }, [id, change, forget]);

  const add = useCallback(
    (folder: string, files: readonly File[]) => {
      for (const file of files) {
        nextKey.current += 1;
        const task = { key: nextKey.current, path: join(folder, file.name), file };
        queue.current.push(task);
        const { key, path } = task;
        setList((old) => [...old, { key, path, total: file.size, sent: 0, state: "waiting", error: null }]);
      }
      void work();
    },
    [work],
  );
  const drop = useCallback(
    (key: number) => {
      queue.current = queue.current.filter((task) => task.key !== key);
      if (running.current?.key === key) running.current.controller.abort();
      else forget(key);
    },
    [forget],
  );
  useEffect(
    () => () => {
      queue.current = [];
      running.current?.controller.abort();
    },
    [],
  );
  return { list, add, drop };
}
