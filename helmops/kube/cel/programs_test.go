package cel

import (
	"fmt"
	"testing"
)

func TestProgramsAreCompiledOnceAndBounded(t *testing.T) {
	t.Parallel()
	const limit = 8
	programs, err := NewPrograms(limit, "dep")
	if err != nil {
		t.Fatal(err)
	}

	first, err := programs.Compile("dep == 'a'")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := programs.Compile("dep == 'a'"); again != first {
		t.Error("an expression was compiled twice")
	}

	if _, err := programs.CompileValue("'text'"); err != nil {
		t.Errorf("a text as a value: %v", err)
	}
	for range 2 { // compiled, and kept
		if _, err := programs.Compile("'text'"); err == nil {
			t.Error("a text is taken for a condition, because it is a value")
		}
	}

	for i := range 2 * limit {
		if _, err := programs.Compile(fmt.Sprintf("dep.a == %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := programs.Len(); n != limit {
		t.Errorf("%d are kept, want %d", n, limit)
	}
}
