import path from 'node:path'
import { currentHost } from '../../src/host/platform.ts'
import { ensureImage } from '../../src/image/build.ts'
import { recipeFor } from '../../src/image/recipe.ts'
import { homePaths } from '../../src/instance/paths.ts'
import { engineNamed } from '../../src/runtime/engines.ts'

const guestFolder = path.resolve(import.meta.dirname, '../../guest')

// In the order in which the files need them.
const wanted = [
  { distro: 'debian-13', runtime: 'containerd', kernel: 'cloud' },
  { distro: 'debian-12', runtime: 'docker', kernel: 'cloud' },
  { distro: 'debian-13', runtime: 'podman', kernel: 'cloud' },
  { distro: 'debian-13', runtime: 'none', kernel: 'general' },
  { distro: 'debian-13', runtime: 'none', kernel: 'cloud' },
] as const

/**
 * Builds the images that files need beside the one of `shared`, one after the other, while tests of other tiers run. A
 * start that needs one earlier waits for it, or builds it itself. Gives what ends that, and waits until it has.
 */
export function buildImages(home: string): () => Promise<void> {
  const stop = new AbortController()
  const { signal } = stop
  const { arch, uid } = currentHost()
  const root = uid === 0
  const build = async () => {
    for (const { distro, runtime, kernel } of wanted) {
      const recipe = recipeFor({ distro, arch, engine: engineNamed(runtime), guestFolder, kernel })
      const imagesFolder = homePaths(home).images
      await ensureImage(recipe, { imagesFolder, guestFolder, root, signal, note: () => undefined })
    }
  }
  // The start that needs it says why it cannot be built.
  const done = build().catch(() => undefined)
  return async () => {
    stop.abort()
    await done
  }
}
