package manual

import (
	"fmt"
	"io"
	"strings"
)

// Shells that Completion knows.
var shells = map[string]func(*strings.Builder, []Command){"bash": bash, "zsh": zsh, "fish": fish}

// Completion writes the completions of girin for a shell: bash, zsh or fish.
func Completion(w io.Writer, shell string, commands []Command) error {
	script, ok := shells[shell]
	if !ok {
		return fmt.Errorf("completions are for bash, zsh and fish, not for %q", shell)
	}
	var b strings.Builder
	script(&b, commands)
	_, err := io.WriteString(w, b.String())
	return err
}

func names(commands []Command) []string {
	var all []string
	for _, c := range commands {
		all = append(all, c.Name)
	}
	return all
}

// words are the flags of a command as one types them.
func words(flags []flag) []string {
	var all []string
	for _, f := range flags {
		if f.short != "" {
			all = append(all, "-"+f.short)
		}
		all = append(all, "--"+f.long)
	}
	return all
}

// forms are a flag's names, as they stand in a case pattern.
func (f *flag) forms() string {
	if f.short != "" {
		return "-" + f.short + "|--" + f.long
	}
	return "--" + f.long
}

func bash(b *strings.Builder, commands []Command) {
	b.WriteString(`# bash completion for girin
_girin() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} flags= words=
    # --flag=value is three words to bash.
    if [ "$word" = = ]; then word=; fi
    if [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
    COMPREPLY=()
    case $command in
`)
	for _, c := range serveLast(commands) {
		flags, pattern := c.flags(), c.Name
		if c.Name == "serve" {
			pattern = "*"
		}
		fmt.Fprintf(b, "    %s)\n        flags='%s' words='%s'\n", pattern, strings.Join(words(flags), " "), strings.Join(c.Words, " "))
		bashValues(b, flags)
		b.WriteString("        ;;\n")
	}
	fmt.Fprintf(b, `    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words='%s'; fi
    case $word in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    esac
}
complete -o bashdefault -o default -F _girin girin
`, strings.Join(names(commands), " "))
}

// serveLast puts serve at the end, where a case statement has the pattern for all other words:
// its own word may be left out.
func serveLast(commands []Command) []Command {
	var serve, others []Command
	for _, c := range commands {
		if c.Name == "serve" {
			serve = append(serve, c)
		} else {
			others = append(others, c)
		}
	}
	return append(others, serve...)
}

func bashValues(b *strings.Builder, flags []flag) {
	b.WriteString("        case $before in\n")
	var free []string // flags whose value the shell completes as a file's name
	for _, f := range flags {
		switch {
		case f.value == "":
		case len(f.choices) > 0:
			fmt.Fprintf(b, "        %s) COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", f.forms(), strings.Join(f.choices, " "))
		default:
			free = append(free, f.forms())
		}
	}
	if len(free) > 0 {
		fmt.Fprintf(b, "        %s) return ;;\n", strings.Join(free, "|"))
	}
	b.WriteString("        esac\n")
}

func zsh(b *strings.Builder, commands []Command) {
	b.WriteString("#compdef girin\n_girin() {\n    local -a commands\n    commands=(\n")
	for _, c := range commands {
		fmt.Fprintf(b, "        %s\n", quoted(strings.ReplaceAll(c.Name+":"+c.Summary, "`", "")))
	}
	b.WriteString(`    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe command commands
        _files -g '*.py'
        return
    fi
    case $words[2] in
`)
	for _, c := range serveLast(commands) {
		pattern := c.Name
		if c.Name == "serve" {
			pattern = "*"
		}
		zshArguments(b, pattern, c)
	}
	// zsh's autoload runs the file as the function; in .zshrc it is read, and only says what the function is for.
	b.WriteString("    esac\n}\nif [[ $funcstack[1] == _girin ]]; then _girin \"$@\"; else compdef _girin girin; fi\n")
}

func zshArguments(b *strings.Builder, pattern string, c Command) {
	fmt.Fprintf(b, "    %s)\n        _arguments -s \\\n", pattern)
	for _, f := range c.flags() {
		fmt.Fprintf(b, "            %s \\\n", f.zsh())
	}
	rest := "*:file:_files"
	if len(c.Words) > 0 {
		rest = "*:word:(" + strings.Join(c.Words, " ") + ")"
	}
	fmt.Fprintf(b, "            %s\n        ;;\n", quoted(rest))
}

// zsh is an argument of _arguments: '(-w --workers)'{-w,--workers}'[text]:INT:(choices)'.
func (f *flag) zsh() string {
	text := strings.NewReplacer("[", "(", "]", ")", ":", "\\:").Replace(brief(f.doc))
	text = "[" + text + "]"
	if f.value != "" {
		action := "_files"
		if len(f.choices) > 0 {
			action = "(" + strings.Join(f.choices, " ") + ")"
		}
		text += ":" + strings.NewReplacer("[", "", "]", "", ":", "\\:").Replace(f.value) + ":" + action
	}
	if f.short == "" {
		return quoted("*--" + f.long + text)
	}
	return fmt.Sprintf("'*'{-%s,--%s}%s", f.short, f.long, quoted(text))
}

func fish(b *strings.Builder, commands []Command) {
	b.WriteString("# fish completion for girin\n")
	var others []string
	for _, c := range commands {
		fmt.Fprintf(b, "complete -c girin -n __fish_use_subcommand -a %s -d %s\n", c.Name, quoted(c.Summary))
		if c.Name != "serve" {
			others = append(others, c.Name)
		}
	}
	for _, c := range commands {
		when := "__fish_seen_subcommand_from " + c.Name
		if c.Name == "serve" { // its word may be left out
			when = "not __fish_seen_subcommand_from " + strings.Join(others, " ")
		}
		if len(c.Words) > 0 {
			fmt.Fprintf(b, "complete -c girin -n %s -f -a %s\n", quoted(when), quoted(strings.Join(c.Words, " ")))
		}
		for _, f := range c.flags() {
			fmt.Fprintf(b, "complete -c girin -n %s -l %s", quoted(when), f.long)
			if f.short != "" {
				fmt.Fprintf(b, " -s %s", f.short)
			}
			if len(f.choices) > 0 {
				fmt.Fprintf(b, " -x -a %s", quoted(strings.Join(f.choices, " ")))
			} else if f.value != "" {
				b.WriteString(" -r")
			}
			fmt.Fprintf(b, " -d %s\n", quoted(brief(f.doc)))
		}
	}
}

// quoted is a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
