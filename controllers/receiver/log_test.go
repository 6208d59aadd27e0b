package receiver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// What is wrong with a receiver is logged as an error, once.
func TestAnUnusableReceiverIsLogged(t *testing.T) {
	t.Parallel()
	var lines []string
	logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	ctx := logr.NewContext(context.Background(), logger)
	h := &handler{ownNamespace: true, now: func() time.Time { return time.Unix(0, 0) }}
	r := receiverOf(v1beta1.ReceiverGeneric)
	r.Spec.Resources = []v1beta1.ReceiverResource{{Kind: v1beta1.HelmReleaseKind, Name: "web", Namespace: "other"}}
	for range 2 {
		if _, err := h.Reconcile(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], `"error"=null`) || !strings.Contains(lines[0], "namespace other") {
		t.Errorf("logged is\n%s", strings.Join(lines, "\n"))
	}
}
