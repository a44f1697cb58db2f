// Prints the Homebrew formula of a release: node packaging/homebrew.mjs TARBALL URL > tcolima.rb
// TARBALL is what `npm pack` made, URL where it can be had.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const [tarball, url] = process.argv.slice(2)
if (tarball === undefined || url === undefined) {
  process.stderr.write('usage: node packaging/homebrew.mjs TARBALL URL\n')
  process.exit(2)
}
const digest = createHash('sha256').update(readFileSync(tarball)).digest('hex')
const { description } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

process.stdout.write(`class Tcolima < Formula
  desc "${description}"
  homepage "${new URL(url).origin}"
  url "${url}"
  sha256 "${digest}"

  depends_on "node"
  depends_on "qemu"

  def install
    system "npm", "install", *std_npm_args
    bin.install_symlink libexec.glob("bin/*")
    man1.install_symlink libexec.glob("lib/node_modules/tcolima/dist/man/*.1")
    completions = libexec/"lib/node_modules/tcolima/dist/completions"
    bash_completion.install_symlink completions/"bash/tcolima"
    zsh_completion.install_symlink completions/"zsh/_tcolima"
    fish_completion.install_symlink completions/"fish/tcolima.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tcolima version")
    assert_match "Machine:", shell_output("#{bin}/tcolima --help")
  end
end
`)
