package cel

import "testing"

func TestMentions(t *testing.T) {
	t.Parallel()
	language, err := NewLanguage("candidate", "now", "releases")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"now > timestamp('2026-01-01T00:00:00Z')":          true,
		"candidate.ageSeconds > 60":                        true,
		"candidate['ageSeconds'] > 60":                     true,
		"has(candidate.ageSeconds)":                        true,
		"releases.all(r, r.at < now)":                      true,
		"candidate.major == 1 && candidate.minor > 2":      false,
		"releases.exists(r, r.ready) || candidate.x == ''": false,
	} {
		program, err := language.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := program.Mentions("now", "ageSeconds"); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
