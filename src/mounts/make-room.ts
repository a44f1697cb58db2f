/** Makes room for one more in a map of at most `most` entries: the one that was set first goes when it is full. */
export function makeRoom<K>(map: Map<K, unknown>, most: number): void {
  const [oldest] = map.keys()
  if (oldest !== undefined && map.size >= most) map.delete(oldest)
}
