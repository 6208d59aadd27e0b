package redact

import "testing"

func TestMask(t *testing.T) {
	tests := []struct {
		name   string
		secret map[string]any
		text   string
		want   string
	}{
		{
			name: "a secret is hidden wherever it occurs", secret: map[string]any{"p": "hunter2"},
			text: "hunter2, not xhunter2x", want: "***, not x***x",
		},
		{
			name: "deep ones too", secret: map[string]any{"m": map[string]any{"l": []any{1, map[string]any{"p": "hunter2"}}}},
			text: "is hunter2", want: "is ***",
		},
		{name: "short texts occur everywhere by chance", secret: map[string]any{"p": "abc"}, text: "abc", want: "abc"},
		{
			name: "a secret that contains another is hidden whole", secret: map[string]any{"a": "hunter", "b": "hunter2-long"},
			text: "hunter2-long hunter", want: "*** ***",
		},
		{
			name: "each line of a secret is one", secret: map[string]any{"p": "first line\n  second line\n"},
			text: "at second line", want: "at ***",
		},
		{
			name: "a secret with lines is hidden whole", secret: map[string]any{"p": "first line\nab\nlast line"},
			text: "[first line\nab\nlast line]", want: "[***]",
		},
		{name: "a secret as Go quotes it", secret: map[string]any{"p": `hun"ter2`}, text: `"hun\"ter2"`, want: `"***"`},
		{name: "a number", secret: map[string]any{"p": float64(12345678)}, text: "12345678", want: "***"},
		{name: "keys are no secrets", secret: map[string]any{"password": "hunter2"}, text: "password", want: "password"},
		{name: "without secrets nothing is hidden", text: "hunter2", want: "hunter2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := NewMask(map[string]any{}, tt.secret).Apply(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := NewMask("hunter2", int64(12345678)).Apply("hunter2 at 12345678"); got != "*** at ***" {
		t.Errorf("the mask of single values makes %q of it", got)
	}
	if got := (Mask{}).Apply("text"); got != "text" {
		t.Errorf("the mask without secrets makes %q of it", got)
	}
}
