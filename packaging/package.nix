# tcolima out of this checkout: nix-build -E '(import <nixpkgs> {}).callPackage ./packaging/package.nix {}'
{
  lib,
  buildNpmPackage,
  importNpmLock,
  installShellFiles,
  makeWrapper,
  nodejs,
  qemu,
}:
let
  manifest = lib.importJSON ../package.json;
in
buildNpmPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = lib.cleanSource ../.;

  inherit nodejs;
  # The lock file has the digests: no further one to keep up to date.
  npmDeps = importNpmLock { npmRoot = ../.; };
  npmConfigHook = importNpmLock.npmConfigHook;
  # ssh2's native parts only make it faster.
  npmFlags = [ "--ignore-scripts" ];

  nativeBuildInputs = [
    installShellFiles
    makeWrapper
  ];

  postInstall = ''
    installManPage dist/man/*.1
    installShellCompletion --cmd tcolima \
      --bash dist/completions/bash/tcolima \
      --zsh dist/completions/zsh/_tcolima \
      --fish dist/completions/fish/tcolima.fish
    wrapProgram $out/bin/tcolima --suffix PATH : ${lib.makeBinPath [ qemu ]}
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    HOME=$TMPDIR $out/bin/tcolima version | grep -F ${manifest.version}
  '';

  meta = {
    inherit (manifest) description;
    mainProgram = "tcolima";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
