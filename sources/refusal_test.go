package sources

import (
	"errors"
	"fmt"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestIsRefusal(t *testing.T) {
	t.Parallel()
	refused := Fail(v1beta1.AuthenticationFailedReason, nil, "access refused").OfRefusal()
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"no error":                             {nil, false},
		"upstream refuses":                     {refused, true},
		"upstream refuses, with more around":   {fmt.Errorf("copying: %w", refused), true},
		"upstream refuses, in another failure": {Fail(v1beta1.FetchFailedReason, refused, "copying"), true},
		"a Secret does not exist": {Fail(v1beta1.AuthenticationFailedReason, nil, "Secret a/b does not exist"),
			false},
		"another error": {errors.New("access refused"), false},
	} {
		if got := IsRefusal(tt.err); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
