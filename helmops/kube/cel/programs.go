package cel

import "k8s.io/utils/lru"

// Programs compiles the expressions of one language, each once, and keeps those that were asked for last, with the
// errors of those that are none. Several goroutines may use it.
type Programs struct {
	language *Language
	known    *lru.Cache // of outcome, by source
}

// source is what a program is compiled from. A value can be of any type, a condition is a bool.
type source struct {
	text  string
	value bool
}

type outcome struct {
	program *Program
	err     error
}

// NewPrograms returns an empty set for expressions with these variables, which keeps at most limit of them.
func NewPrograms(limit int, variables ...string) (*Programs, error) {
	language, err := NewLanguage(variables...)
	if err != nil {
		return nil, err
	}
	return &Programs{language: language, known: lru.New(limit)}, nil
}

// Compile is Language.Compile: the program of an expression that gives a bool, or where and why it is none.
func (p *Programs) Compile(text string) (*Program, error) {
	return p.once(source{text: text}, p.language.Compile)
}

// CompileValue is Language.CompileValue: the program of an expression of any type, or where and why it is none.
func (p *Programs) CompileValue(text string) (*Program, error) {
	return p.once(source{text: text, value: true}, p.language.CompileValue)
}

// Len returns how many expressions are kept.
func (p *Programs) Len() int { return p.known.Len() }

func (p *Programs) once(from source, compile func(string) (*Program, error)) (*Program, error) {
	if found, ok := p.known.Get(from); ok {
		had := found.(outcome)
		return had.program, had.err
	}

	program, err := compile(from.text)
	p.known.Add(from, outcome{program: program, err: err})
	return program, err
}
