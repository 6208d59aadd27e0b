package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// promotionListing is a list of what pipelines are, make and obey, or of receivers.
type promotionListing struct {
	resource string
	empty    func() client.ObjectList
	// ofCluster is set for a kind of the whole cluster.
	ofCluster bool
	columns   func(promotionQuery) []column
	// rows are those of the objects.
	rows func(*app, []client.Object) []listRow
}

// promotionListings by the words that get takes.
var promotionListings = map[string]promotionListing{
	"receivers": {
		resource: "receivers", columns: receiverColumns, rows: (*app).receiverRows,
		empty: func() client.ObjectList { return &v1beta1.ReceiverList{} },
	},
	"pipelines": {
		resource: "releasepipelines", columns: pipelineColumns, rows: (*app).pipelineRows,
		empty: func() client.ObjectList { return &v1beta1.ReleasePipelineList{} },
	},
	"promotions": {
		resource: "promotions", columns: promotionColumns, rows: (*app).promotionRows,
		empty: func() client.ObjectList { return &v1beta1.PromotionList{} },
	},
	"freezes": {
		resource: "releasefreezes", columns: freezeColumns, rows: (*app).freezeRows, ofCluster: true,
		empty: func() client.ObjectList { return &v1beta1.ReleaseFreezeList{} },
	},
}

// listRow is a row of such a list.
type listRow struct {
	// key names what the row is about.
	key string
	// object is the object that the row is about.
	object printedName
	value  any
	cells  []string
}

// promotionQuery is what is listed of them.
type promotionQuery struct {
	word     string
	all      bool
	names    []string
	selector labels.Selector
	out      *output
}

// promotionQuery reads the flags of get for such a list.
func (f *getFlags) promotionQuery(cmd *cobra.Command, word string, args []string, out *output) (promotionQuery, error) {
	q := promotionQuery{word: word, all: f.all, names: splitKindAndName(args)[1:], out: out}
	var err error
	switch {
	case len(f.statuses) > 0:
		return q, usagef(cmd, "%s are listed without --status", word)
	case slices.Contains(q.names, ""):
		return q, usagef(cmd, "a NAME is empty")
	case f.watch && out.machine():
		return q, usagef(cmd, "--watch prints a table; it cannot be combined with -o %s", out.format)
	}

	if q.selector, err = labels.Parse(f.selector); err != nil {
		return q, usagef(cmd, "--selector %q: %s", f.selector, err)
	}

	return q, nil
}

func (q promotionQuery) feed(c *connection, listing promotionListing) feed {
	f := feed{cluster: c, resource: listing.resource, empty: listing.empty, selector: q.selector}
	if !q.all && !listing.ofCluster {
		f.namespace = c.namespace
	}

	if len(q.names) > 0 {
		f.wants = func(o client.Object) bool {
			if q.word == "pipelines" {
				return view.IsOfPipeline(o, q.names)
			}
			return slices.Contains(q.names, o.GetName())
		}
	}

	return f
}

// listPromotions prints a list of pipelines, promotions or freezes.
func (a *app) listPromotions(ctx context.Context, q promotionQuery, watch bool) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	listing := promotionListings[q.word]
	if watch {
		w := promotionWatch{
			app: a, cluster: c, query: q, listing: listing, printed: map[string]string{}, table: a.table(q.out, listing.columns(q)...),
		}
		return q.feed(c, listing).follow(ctx, 0, w.show)
	}

	objects, err := q.feed(c, listing).read(ctx)
	if err != nil {
		return err
	}
	if err := q.allNamed(c, listing, objects); err != nil {
		return err
	}

	rows := listing.rows(a, objects)
	if q.out.machine() {
		values := make([]any, 0, len(rows))
		var names []printedName
		for _, r := range rows {
			values = append(values, r.value)
			if !slices.Contains(names, r.object) {
				names = append(names, r.object)
			}
		}

		return q.out.write(a.out, map[string]any{"items": values}, names...)
	}

	if len(rows) == 0 {
		a.noPromotions(c, q, listing)
		return nil
	}

	t := a.table(q.out, listing.columns(q)...)
	for _, r := range rows {
		t.add(r.cells...)
	}

	return t.write(a.out, a.tableWidth(q.out))
}

// allNamed is an error when an object that was named does not exist.
func (q promotionQuery) allNamed(c *connection, listing promotionListing, objects []client.Object) error {
	for _, name := range q.names {
		if slices.ContainsFunc(objects, func(o client.Object) bool { return o.GetName() == name }) {
			continue
		}

		where := " in namespace " + c.namespace
		switch {
		case listing.ofCluster:
			where = ""
		case q.all:
			where = " in any namespace"
		}

		if !q.selector.Empty() {
			where += " with labels " + q.selector.String()
		}

		return fmt.Errorf("no %s named %q%s", q.word, name, where)
	}
	return nil
}

// noPromotions says where there was nothing.
func (a *app) noPromotions(c *connection, q promotionQuery, listing promotionListing) {
	what := q.word
	if !q.selector.Empty() {
		what += " with labels " + q.selector.String()
	}

	switch {
	case listing.ofCluster:
		a.note("no %s (%s)", what, c.describe())
	case q.all:
		a.note("no %s in any namespace (%s)", what, c.describe())
	default:
		a.note("no %s in namespace %s (%s); -A looks in all namespaces", what, c.namespace, c.describe())
	}
}

// promotionWatch prints such a list, then a line for each row that changes.
type promotionWatch struct {
	app     *app
	cluster *connection
	query   promotionQuery
	listing promotionListing
	table   *table
	// printed is what was printed of each row, without what only counts time.
	printed map[string]string
	// listed is set once the list was printed, titled once the titles were.
	listed, titled bool
}

func (w *promotionWatch) show(objects []client.Object) error {
	if !w.listed {
		if err := w.query.allNamed(w.cluster, w.listing, objects); err != nil {
			return err
		}
	}

	w.table.rows = nil
	there := map[string]bool{}
	for _, r := range w.listing.rows(w.app, objects) {
		there[r.key] = true
		if text := w.textOf(r); w.printed[r.key] != text {
			w.printed[r.key] = text
			w.table.add(r.cells...)
		}
	}

	w.addGone(there)
	if !w.listed && len(objects) == 0 {
		w.app.noPromotions(w.cluster, w.query, w.listing)
	}

	w.listed = true
	if len(w.table.rows) == 0 {
		return nil
	}

	width := w.app.tableWidth(w.query.out)
	if w.titled {
		return w.table.writeRows(w.app.out, width)
	}

	w.titled = true
	return w.table.write(w.app.out, width)
}

// addGone adds a row for what is no longer in the list.
func (w *promotionWatch) addGone(there map[string]bool) {
	for _, key := range sortedKeys(w.printed) {
		if there[key] {
			continue
		}
		cells := strings.Split(w.printed[key], "\x00")
		cells[len(cells)-1] = "it is gone"
		w.table.add(cells...)
		delete(w.printed, key)
	}
}

func (w *promotionWatch) textOf(r listRow) string {
	cells := slices.Clone(r.cells)
	for i, c := range w.table.columns {
		if c.title == "AGE" || c.title == "SINCE" {
			cells[i] = ""
		}
	}
	return strings.Join(cells, "\x00")
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func pipelineColumns(q promotionQuery) []column {
	return []column{
		{"NAMESPACE", !q.all}, {"NAME", false}, {"STAGE", false}, {"PHASE", false}, {"VERSION", false},
		{"SINCE", false}, {"DIGEST", !q.out.wide()}, {"MESSAGE", false},
	}
}

func (a *app) pipelineRows(objects []client.Object) []listRow {
	var rows []listRow
	for _, o := range objects {
		for _, r := range view.StageRows(o.(*v1beta1.ReleasePipeline)) {
			rows = append(rows, listRow{key: r.Namespace + "/" + r.Pipeline + "/" + r.Stage, value: r, object: nameOf(v1beta1.ReleasePipelineKind, r.Pipeline), cells: []string{
				r.Namespace, r.Pipeline, r.Stage, r.Phase, r.Version, a.age(r.Since),
				digestsOf(r.Digest, r.ValuesDigest), r.Message,
			}})
		}
	}

	return rows
}

// promotionRow is one Promotion in a list.
type promotionRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Pipeline  string `json:"pipeline"`
	Stage     string `json:"stage"`
	Version   string `json:"version"`
	Digest    string `json:"digest"`
	// ValuesDigest is that of the shared values; empty without them.
	ValuesDigest string       `json:"valuesDigest,omitempty"`
	Cause        string       `json:"cause"`
	Reason       string       `json:"reason,omitempty"`
	Phase        string       `json:"phase"`
	CreatedAt    metav1.Time  `json:"createdAt"`
	FinishedAt   *metav1.Time `json:"finishedAt,omitempty"`
}

func newPromotionRow(p *v1beta1.Promotion) promotionRow {
	return promotionRow{
		Namespace: p.Namespace, Name: p.Name, Pipeline: p.Spec.Pipeline, Stage: p.Spec.Stage,
		Version: p.Spec.Version, Digest: p.Spec.Digest, ValuesDigest: p.Spec.ValuesDigest,
		Cause: p.Spec.Cause, Reason: p.Spec.Reason,
		Phase: p.Status.Phase, CreatedAt: p.CreationTimestamp, FinishedAt: p.Status.FinishedAt,
	}
}

func promotionColumns(q promotionQuery) []column {
	return []column{
		{"NAMESPACE", !q.all}, {"NAME", false}, {"STAGE", false}, {"VERSION", false}, {"CAUSE", false},
		{"PHASE", false}, {"AGE", false}, {"DIGEST", !q.out.wide()}, {"REASON", false},
	}
}

// promotionsOf are the Promotions among objects, the newest of a namespace first.
func promotionsOf(objects []client.Object) []*v1beta1.Promotion {
	all := make([]*v1beta1.Promotion, 0, len(objects))
	for _, o := range objects {
		all = append(all, o.(*v1beta1.Promotion))
	}
	slices.SortFunc(all, func(x, y *v1beta1.Promotion) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), y.CreationTimestamp.Compare(x.CreationTimestamp.Time),
			cmp.Compare(x.Name, y.Name))
	})
	return all
}

func (a *app) promotionRows(objects []client.Object) []listRow {
	rows := make([]listRow, 0, len(objects))
	for _, p := range promotionsOf(objects) {
		rows = append(rows, listRow{key: p.Namespace + "/" + p.Name, value: newPromotionRow(p), object: nameOf(v1beta1.PromotionKind, p.Name), cells: []string{
			p.Namespace, p.Name, p.Spec.Stage, p.Spec.Version, p.Spec.Cause, p.Status.Phase,
			a.age(&p.CreationTimestamp),
			digestsOf(p.Spec.Digest, p.Spec.ValuesDigest), promotionReason(p),
		}})
	}
	return rows
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

func freezeColumns(promotionQuery) []column {
	return []column{
		{"NAME", false}, {"ACTIVE", false}, {"NAMESPACES", false}, {"FROM", false}, {"UNTIL", false}, {"REASON", false},
	}
}

func (a *app) freezeRows(objects []client.Object) []listRow {
	rows := make([]listRow, 0, len(objects))
	for _, o := range objects {
		f := o.(*v1beta1.ReleaseFreeze)
		active := view.NewFreezeStatus(f, a.now()).Active
		rows = append(rows, listRow{
			key: f.Name, object: nameOf(v1beta1.ReleaseFreezeKind, f.Name),
			value: freezeRow{f.Name, active, f.Spec.Namespaces, f.Spec.From, f.Spec.Until, f.Spec.Reason},
			cells: []string{
				f.Name, fmt.Sprint(active), cmp.Or(strings.Join(f.Spec.Namespaces, ","), "all"), timeText(f.Spec.From),
				timeText(f.Spec.Until), f.Spec.Reason,
			},
		})
	}

	return rows
}
