package compose

import "testing"

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.yaml", "a.yaml", true},
		{"*.yaml", "d/a.yaml", false},
		{"**", "d/a.yaml", true},
		{"**/*.yaml", "a.yaml", true},
		{"**/*.yaml", "d/e/a.yaml", true},
		{"d/**/a.yaml", "d/a.yaml", true},
		{"d/**/x/**/a.yaml", "d/x/y/x/z/a.yaml", true},
		{"d/**/x/a.yaml", "d/x/b/a.yaml", false},
		{"d/?.yaml", "d/ab.yaml", false},
		{"d/[ab].yaml", "d/b.yaml", true},
		{"{a,b/{c,d}}.yaml", "b/d.yaml", true},
		{"{a,b}.yaml", "c.yaml", false},
		{"d/**", "d", true},
	} {
		p, err := compile(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(tt.name); got != tt.want {
			t.Errorf("%s matches %s: %t", tt.pattern, tt.name, got)
		}
	}
}
