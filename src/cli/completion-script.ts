import type { Shell } from './shells.ts'

// Each asks tcolima itself at every Tab, so that a script that was saved once fits every later version.
const scripts: Record<Shell, string> = {
  // Without mapfile and with a compopt that may be missing: macOS has bash 3.2.
  bash: String.raw`# bash completion for tcolima
_tcolima() {
  local paths line current=\${COMP_WORDS[COMP_CWORD]}
  [[ $current == = || $current == : ]] && current=
  COMPREPLY=()
  {
    IFS= read -r paths
    case $paths in file | folder) compopt -o filenames 2>/dev/null ;; esac
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      case $paths in
        file) compgen -f -- "$current" ;;
        folder) compgen -d -- "$current" ;;
        *) cat ;;
      esac
    )
  } < <("\${COMP_WORDS[0]/#\~/$HOME}" __complete bash "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -F _tcolima tcolima
`,
  zsh: String.raw`#compdef tcolima
_tcolima() {
  local -a lines candidates
  lines=("\${(@f)$("\${words[1]/#\~/$HOME}" __complete zsh "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  case $lines[1] in
    file) _files ;;
    folder) _files -/ ;;
    none)
      candidates=("\${(@)lines[2,-1]}")
      # Descriptions are no part of a word; the word itself may hold a "=".
      _describe -t words word candidates ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _tcolima "$@"
else
  compdef _tcolima tcolima
fi
`,
  fish: String.raw`# fish completion for tcolima
function __tcolima_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l lines (command $words[1] __complete fish $words[2..-1] "$current" 2>/dev/null)
  switch $lines[1]
    case file
      __fish_complete_path "$current"
    case folder
      __fish_complete_directories "$current" ''
    case '*'
      test (count $lines) -gt 1; and printf '%s\n' $lines[2..-1]
  end
end
complete -c tcolima -f -a '(__tcolima_complete)'
`,
  powershell: String.raw`# PowerShell completion for tcolima
Register-ArgumentCompleter -Native -CommandName tcolima -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements |
    Where-Object { $_.Extent.EndOffset -lt $cursorPosition -or $_.Extent.Text -ne $wordToComplete } |
    Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
  # An empty argument does not reach a program in Windows PowerShell: a space stands for it.
  $current = if ($wordToComplete) { $wordToComplete } else { ' ' }
  $lines = @(& $commandAst.CommandElements[0].Extent.Text __complete powershell @words $current 2>$null)
  $lines | Select-Object -Skip 1 | ForEach-Object {
    $word, $about = $_ -split "\`t", 2
    if (-not $about) { $about = $word }
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
  }
}
`,
}

/** The completion script of a shell. Pure. */
export function completionScript(shell: Shell): string {
  // In String.raw a backslash keeps \${…} from being ours, and stays.
  return scripts[shell].replaceAll('\\${', '${').replaceAll('\\`', '`')
}
