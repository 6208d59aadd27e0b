package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// promotionLists are the words for what pipelines make and obey, as get takes them.
var promotionLists = map[string]func(*app, context.Context, *connection, promotionQuery) (*table, any, error){
	"pipelines": (*app).pipelines, "promotions": (*app).promotions, "freezes": (*app).freezes,
}

// promotionList is the word of a list of pipelines, promotions or freezes; empty for another.
func promotionList(args []string) string {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return ""
	}
	word := strings.ToLower(args[0])
	switch {
	case isPipeline(args):
		return "pipelines"
	case slices.Contains([]string{"promotion", "promotions", "flpromo"}, word):
		return "promotions"
	case slices.Contains([]string{"freeze", "freezes", "releasefreeze", "releasefreezes", "flfreeze"}, word):
		return "freezes"
	}
	return ""
}

// promotionQuery is what is listed of them.
type promotionQuery struct {
	all   bool
	names []string
	out   *output
}

func (q promotionQuery) wants(o metav1.Object) bool {
	return len(q.names) == 0 || slices.Contains(q.names, o.GetName())
}

// listPromotions prints a list of pipelines, promotions or freezes.
func (a *app) listPromotions(ctx context.Context, word string, q promotionQuery) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	t, rows, err := promotionLists[word](a, ctx, c, q)
	if err != nil {
		return err
	}
	if q.out.machine() {
		return q.out.write(a.out, map[string]any{"items": rows})
	}
	if len(t.rows) == 0 {
		if q.all || word == "freezes" {
			fmt.Fprintf(a.err, "no %s (%s)\n", word, c.describe())
		} else {
			fmt.Fprintf(a.err, "no %s in namespace %s (%s); -A looks in all namespaces\n", word, c.namespace,
				c.describe())
		}
		return nil
	}
	return t.write(a.out, a.tableWidth(q.out))
}

func (c *connection) listIn(ctx context.Context, list client.ObjectList, resource string, all bool) error {
	namespace := c.namespace
	if all {
		namespace = ""
	}
	if err := c.client.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return requestError("list", resource, namespace, "", err)
	}
	return nil
}

func (a *app) pipelines(ctx context.Context, c *connection, q promotionQuery) (*table, any, error) {
	list := &v1beta1.ReleasePipelineList{}
	if err := c.listIn(ctx, list, "releasepipelines", q.all); err != nil {
		return nil, nil, err
	}
	t := &table{columns: []column{
		{"NAMESPACE", !q.all}, {"NAME", false}, {"STAGE", false}, {"PHASE", false}, {"VERSION", false},
		{"SINCE", false},
		{"DIGEST", !q.out.wide()}, {"MESSAGE", false},
	}}
	rows := []view.StageRow{}
	for i := range list.Items {
		if !q.wants(&list.Items[i]) {
			continue
		}
		for _, r := range view.StageRows(&list.Items[i]) {
			rows = append(rows, r)
			t.add(r.Namespace, r.Pipeline, r.Stage, r.Phase, r.Version, a.age(r.Since), v1beta1.ShortDigest(r.Digest),
				r.Message)
		}
	}
	return t, rows, nil
}

// promotionRow is one Promotion in a list.
type promotionRow struct {
	Namespace  string       `json:"namespace"`
	Name       string       `json:"name"`
	Pipeline   string       `json:"pipeline"`
	Stage      string       `json:"stage"`
	Version    string       `json:"version"`
	Digest     string       `json:"digest"`
	Cause      string       `json:"cause"`
	Reason     string       `json:"reason,omitempty"`
	Phase      string       `json:"phase"`
	CreatedAt  metav1.Time  `json:"createdAt"`
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

func (a *app) promotions(ctx context.Context, c *connection, q promotionQuery) (*table, any, error) {
	list := &v1beta1.PromotionList{}
	if err := c.listIn(ctx, list, "promotions", q.all); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(list.Items, func(x, y v1beta1.Promotion) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), y.CreationTimestamp.Compare(x.CreationTimestamp.Time),
			cmp.Compare(x.Name, y.Name))
	})
	t := &table{columns: []column{
		{"NAMESPACE", !q.all}, {"NAME", false}, {"STAGE", false}, {"VERSION", false}, {"CAUSE", false},
		{"PHASE", false}, {"AGE", false},
		{"DIGEST", !q.out.wide()}, {"REASON", false},
	}}
	rows := []promotionRow{}
	for i := range list.Items {
		p := &list.Items[i]
		if !q.wants(p) {
			continue
		}
		rows = append(rows, promotionRow{
			Namespace: p.Namespace, Name: p.Name, Pipeline: p.Spec.Pipeline, Stage: p.Spec.Stage,
			Version: p.Spec.Version,
			Digest:  p.Spec.Digest, Cause: p.Spec.Cause, Reason: p.Spec.Reason, Phase: p.Status.Phase,
			CreatedAt: p.CreationTimestamp, FinishedAt: p.Status.FinishedAt,
		})
		t.add(p.Namespace, p.Name, p.Spec.Stage, p.Spec.Version, p.Spec.Cause, p.Status.Phase,
			a.age(&p.CreationTimestamp),
			v1beta1.ShortDigest(p.Spec.Digest), p.Spec.Reason)
	}
	return t, rows, nil
}

// freezeRow is one ReleaseFreeze in a list.
type freezeRow struct {
	Name       string       `json:"name"`
	Active     bool         `json:"active"`
	Namespaces []string     `json:"namespaces,omitempty"`
	From       *metav1.Time `json:"from,omitempty"`
	Until      *metav1.Time `json:"until,omitempty"`
	Reason     string       `json:"reason"`
}

func (a *app) freezes(ctx context.Context, c *connection, q promotionQuery) (*table, any, error) {
	list := &v1beta1.ReleaseFreezeList{}
	if err := c.client.List(ctx, list); err != nil {
		return nil, nil, requestError("list", "releasefreezes", "", "", err)
	}
	t := &table{columns: []column{
		{"NAME", false}, {"ACTIVE", false}, {"NAMESPACES", false}, {"FROM", false}, {"UNTIL", false}, {"REASON", false},
	}}
	rows := []freezeRow{}
	for i := range list.Items {
		f := &list.Items[i]
		if !q.wants(f) {
			continue
		}
		active := (f.Spec.From == nil || !f.Spec.From.After(a.now())) &&
			(f.Spec.Until == nil || a.now().Before(f.Spec.Until.Time))
		rows = append(rows, freezeRow{f.Name, active, f.Spec.Namespaces, f.Spec.From, f.Spec.Until, f.Spec.Reason})
		t.add(f.Name, fmt.Sprint(active), cmp.Or(strings.Join(f.Spec.Namespaces, ","), "all"), timeText(f.Spec.From),
			timeText(f.Spec.Until), f.Spec.Reason)
	}
	return t, rows, nil
}

func timeText(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// explainPipeline says what each stage has, and what every gate says of the candidate that it waits with. The error is
// errNotReady when a stage waits, or failed.
func (a *app) explainPipeline(ctx context.Context, name string, out *output) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	p, err := findPipeline(ctx, c, name)
	if err != nil {
		return err
	}
	rows := view.StageRows(p)
	if out.machine() {
		err = out.write(a.out, map[string]any{"items": rows})
	} else {
		a.printStages(rows)
	}
	settled := func(r view.StageRow) bool { return r.Phase == "Verified" || r.Phase == "Pinned" }
	if err == nil && slices.ContainsFunc(rows, func(r view.StageRow) bool { return !settled(r) }) {
		err = errNotReady
	}
	return err
}

func (a *app) printStages(rows []view.StageRow) {
	for _, r := range rows {
		has := "nothing"
		if r.Version != "" {
			has = fmt.Sprintf("%s (%s), for %s", r.Version, v1beta1.ShortDigest(r.Digest), a.age(r.Since))
		}
		fmt.Fprintf(a.out, "%s: %s, has %s\n", r.Stage, r.Phase, has)
		if r.Message != "" && r.Candidate == "" {
			fmt.Fprintf(a.out, "  %s\n", oneLine(r.Message))
		}
		if r.Candidate == "" {
			continue
		}
		fmt.Fprintf(a.out, "  candidate %s\n", oneLine(r.Candidate))
		for _, g := range r.Gates {
			until := ""
			if g.Until != nil {
				until = " (asked again at " + timeText(g.Until) + ")"
			}
			fmt.Fprintf(a.out, "    %-4s  %-11s  %s%s\n", g.Result, g.Name, oneLine(g.Message), until)
		}
	}
}
