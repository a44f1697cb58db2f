import { promises as fs } from 'node:fs'
import { statvfsReply } from './codec-replies.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'

/** statvfs@openssh.com. */
export async function statvfs(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  return figures(share, request.id, await share.paths.followed(request.path))
}

/** fstatvfs@openssh.com. Node has no `fstatfs`: the figures are those of the share's root. */
export function fstatvfs(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withFile(request.handle, async () =>
    figures(share, request.id, await share.paths.realRoot()),
  )
}

async function figures(share: Share, id: number, path: string): Promise<Buffer> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await fs.statfs(bytesOf(path))
  return statvfsReply(id, {
    blockSize: bsize,
    fragmentSize: bsize,
    blocks,
    freeBlocks: bfree,
    availableBlocks: bavail,
    files,
    freeFiles: ffree,
    availableFiles: ffree,
    id: 0,
    flags: (share.writable ? 0 : 1) | 2,
    longestName: 255,
  })
}
