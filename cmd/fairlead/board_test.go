package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

// onBoard are pipelines in different states.
func onBoard() []client.Object {
	held := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.Name, p.Labels = "cart", map[string]string{"team": "cart"}
		p.Status.Stages[1].Gates, p.Status.Stages[1].Phase = nil, "Held"
		p.Status.Stages[1].Message = "held: the database is migrated"
	})
	other := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.Namespace, p.Name = "infra", "ingress-controller"
		p.Spec.Stages = []v1beta1.PipelineStage{
			{Name: "development"}, {Name: "staging-europe"}, {Name: "staging-america"}, {Name: "production-europe"},
		}
		p.Status.Stages[0].Name, p.Status.Stages[1].Name = "development", "production-europe"
		p.Status.Stages[1].Gates[1].Result = "Fail"
	})
	return []client.Object{shopPipeline(), held, other}
}

func TestBoard(t *testing.T) {
	t.Parallel()
	all := onBoard()
	wide, narrow := world{objects: all, outWidth: 80}, world{objects: all, outWidth: 40}
	runGolden(t, []goldenCase{
		{"board", world{objects: all}, "board"},
		{"board-all", world{objects: all}, "board -A"},
		{"board-80", wide, "board"},
		{"board-all-80", wide, "board -A"},
		{"board-40", narrow, "board -A"},
		{"board-json", world{objects: all}, "board shop -o json"},
		{"board-named", world{objects: all}, "board pipeline/cart"},
		{"board-selector", world{objects: all}, "board -A -l team=cart"},
		{"board-none", world{}, "board"},
		{"board-none-all", world{}, "board -A -l team=x"},
		{"board-unknown", world{objects: all}, "board shop shpo"},
		{"board-watch-json", world{objects: all}, "board --watch -o json"},
		{"help-board", world{}, "board --help"},
	})
}

// In a pipe the board prints a line for each pipeline that changes.
func TestBoardWatch(t *testing.T) {
	t.Parallel()
	touched := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Annotations = map[string]string{"touched": "yes"} })
	held := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.Status.Stages[1].Gates, p.Status.Stages[1].Phase = nil, "Held"
		p.Status.Stages[1].Message = "held: migration"
	})
	steps := [][]watch.Event{
		{{Type: watch.Modified, Object: touched}, {Type: watch.Modified, Object: held}},
		{{Type: watch.Bookmark, Object: held}, {Type: watch.Deleted, Object: held}},
	}
	objects := []client.Object{shopPipeline()}
	stdout, stderr, code := watching(t, objects, 4, steps, "board", "--watch")
	want := `2026-05-04T03:00:00Z web/shop: staging 1.4.3, Verified; prod 1.4.2, Blocked, 1 behind, ` +
		`1.4.3 waits: soak 60m, approval
2026-05-04T03:00:00Z web/shop: staging 1.4.3, Verified; prod 1.4.2, Held, 1 behind, held: migration
2026-05-04T03:00:00Z web/shop: staging 1.4.3, Verified; prod 1.4.2, Blocked, 1 behind, ` +
		`1.4.3 waits: soak 60m, approval
2026-05-04T03:00:00Z web/shop: it is gone
`
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || code != exitOK {
		t.Errorf("code %d, stderr %q, (-want +got):\n%s", code, stderr, diff)
	}
}

// On a terminal the board is drawn again, but not for a change that it does not show.
func TestBoardWatchOnATerminal(t *testing.T) {
	t.Parallel()
	touched := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Annotations = map[string]string{"touched": "yes"} })
	verified := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Status.Stages[1].Phase = "Verifying" })
	events := watch.NewFakeWithChanSize(2, false)
	events.Modify(touched)
	events.Modify(verified)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := world{objects: []client.Object{shopPipeline()}, width: 80, outWidth: 80, funcs: interceptor.Funcs{
		Watch: func(
			context.Context, client.WithWatch, client.ObjectList, ...client.ListOption,
		) (watch.Interface, error) {
			return events, nil
		},
	}}
	// The board has four lines.
	out := &untilLines{lines: 8, end: cancel}
	code := w.runTo(ctx, w.client(t), out, &strings.Builder{}, "board", "--watch")
	drawn := strings.Split(out.text.String(), "\x1b[H\x1b[2J")
	if code != exitOK || len(drawn) != 3 || !strings.Contains(drawn[1], "Blocked") ||
		!strings.Contains(drawn[2], "Verifying") {
		t.Errorf("exit %d, drawn %d times: %q", code, len(drawn)-1, drawn)
	}
}

func TestGetPipelinesWatch(t *testing.T) {
	t.Parallel()
	touched := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Annotations = map[string]string{"touched": "yes"} })
	verified := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Status.Stages[1].Phase = "Verified" })
	gone := &metav1.Status{Status: metav1.StatusFailure, Code: 410, Reason: metav1.StatusReasonExpired}
	steps := [][]watch.Event{
		{{Type: watch.Modified, Object: touched}, {Type: watch.Modified, Object: verified}},
		{{Type: watch.Error, Object: gone}},
		{{Type: watch.Deleted, Object: verified}},
	}
	stdout, stderr, code := watching(t, []client.Object{shopPipeline()}, 7, steps, "get", "pipelines", "--watch")
	want := `NAME   STAGE     PHASE      VERSION   SINCE   MESSAGE
shop   staging   Verified   1.4.3     25h     1.4.3: verified by all HelmReleases
shop   prod      Blocked    1.4.2     3d      1.4.3: soak: …; approval: not approved
shop   prod      Verified   1.4.2     3d      1.4.3: soak: …; approval: not approved
shop   prod      Blocked    1.4.2     3d      1.4.3: soak: …; approval: not approved
shop   prod      Blocked    1.4.2     -       it is gone
shop   staging   Verified   1.4.3     -       it is gone
`
	if diff := cmp.Diff(want, stdout); diff != "" || stderr != "" || code != exitOK {
		t.Errorf("code %d, stderr %q, (-want +got):\n%s", code, stderr, diff)
	}
}

func TestCompletionOfPipelines(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"board ":        "cart\nshop\n:4\n",
		"board cart ":   "shop\n:4\n",
		"board -n x ":   ":4\n",
		"board shop sh": ":4\n",
	} {
		line := append([]string{"__completeNoDesc"}, strings.Split(args, " ")...)
		if r := (world{objects: onBoard()}).run(t, line...); r.stdout != want {
			t.Errorf("%q completes %q, want %q", args, r.stdout, want)
		}
	}
}
