/** The user in the guest. */
export interface GuestUser {
  name: string
  uid: number
}

/** The name used where the host user's own cannot be one in the guest. */
export const standInName = 'tcolima'

// What useradd(8) of Debian takes without --badname, and what ssh and sudo handle without quoting.
const validName = /^[a-z_][a-z0-9_-]{0,31}$/

// uid_t without the two highest values, which mean "none" (credentials(7)).
const highestUid = 4_294_967_293

/**
 * The guest's user for a user of the host: the same name and uid. The stand-in `tcolima` where the name is not valid in
 * Debian or taken in the image (`taken`: its users and groups), and for root, whose guest user is an ordinary one
 * with uid 1000. Pure.
 */
export function guestUser(host: { user: string; uid: number }, taken: readonly string[]): GuestUser {
  const usable = validName.test(host.user) && host.uid !== 0 && !taken.includes(host.user)
  const uid = host.uid > 0 && host.uid <= highestUid ? host.uid : 1000
  return { name: usable ? host.user : standInName, uid }
}
