package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	helmchart "helm.sh/helm/v3/pkg/chart"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	// maxUnknownLines bounds the warnings about unknown keys.
	maxUnknownLines = 20
	// maxValuesRevisions bounds the records that are read where the release keeps any number of them.
	maxValuesRevisions = 50
)

// fetchedChart is the chart that a release wants.
type fetchedChart struct {
	*helmchart.Chart
	revision v1beta1.ChartRevision
	// origin is the revision of the GitRepository that the chart was packed from; empty for others.
	origin string
	// own names what its own values come from when that is not its values.yaml.
	own string
}

// chartFetcher fetches the chart that a release wants from upstream.
type chartFetcher func(ctx context.Context, hr *v1beta1.HelmRelease) (fetchedChart, error)

// chartFetcherOf fetches with the rights of the reader.
func chartFetcherOf(reader client.Reader, kubeVersion func(context.Context) (string, error)) chartFetcher {
	reader = callerReader{reader}
	return func(ctx context.Context, hr *v1beta1.HelmRelease) (fetchedChart, error) {
		fetched, err := loadChart(ctx, resolveChart, reader, kubeVersion, hr)
		if err != nil {
			return fetchedChart{}, err
		}

		fetched.own, err = ownValues(ctx, reader, hr, fetched)
		return fetched, err
	}
}

// ownValues names the files of valuesFiles, which replace values.yaml of a chart; it is empty without them.
func ownValues(
	ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease, fetched fetchedChart,
) (string, error) {
	choice := catalog.ChoiceOfRelease(hr)
	if choice.Kind == v1beta1.HelmChartKind {
		hc := &v1beta1.HelmChart{}
		if err := reader.Get(ctx, types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}, hc); err != nil {
			return "", err
		}

		choice = catalog.ChoiceOfChart(hc)
	}

	files := choice.Values().Names
	if len(files) == 0 {
		return "", nil
	}

	text := fmt.Sprintf("%s of chart %s %s", strings.Join(files, ", "), fetched.revision.Name, fetched.revision.Version)
	if fetched.origin != "" {
		text += " at " + fetched.origin
	}

	return text, nil
}

// composeValues composes values with the chart where that is needed, and returns its name. Without the chart, --origin
// shows what is known.
func (a *app) composeValues(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, query *valuesQuery, composed controllers.Composed,
	in *view.ValuesInput,
) (name string, err error) {
	if query.needsChart() {
		name, err = composeWithChart(ctx, c, hr, composed, in)
		if err == nil || query.all || query.changed {
			return name, err
		}

		reason := oneLine(composed.Mask.Apply(err.Error()))
		a.note("values of the chart that are overridden, and unknown keys, are left out: %s", reason)
	}

	in.Unknown = nil
	in.Composition, err = chart.Compose(nil, "", composed.Layers)
	return "", err
}

func composeWithChart(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, composed controllers.Composed, in *view.ValuesInput,
) (string, error) {
	fetched, err := c.chart(ctx, hr)
	if err != nil {
		return "", err
	}

	in.Composition, err = chart.Compose(fetched.Chart, fetched.own, composed.Layers)
	if err != nil {
		return "", err
	}

	in.Unknown, err = chart.Unknown(fetched.Chart, composed.Merged)
	return fetched.Metadata.Name + " " + fetched.Metadata.Version, err
}

// valuesRevisions reads what the chart got in the deployed revision and those before it, the newest first.
func valuesRevisions(ctx context.Context, c *connection, hr *v1beta1.HelmRelease) ([]view.ValuesRevision, error) {
	if hr.Spec.KubeConfig != nil {
		return nil, errors.New("the Helm records are in another cluster (spec.kubeConfig), which your kubeconfig " +
			"does not reach")
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return nil, err
	}

	target := view.Target(hr)
	records, err := look.History(ctx, cluster.Access{}, target)
	if err != nil {
		return nil, recordsError(err, "list", target)
	}

	deployed := slices.IndexFunc(records, func(r plan.Record) bool { return r.Status == plan.StatusDeployed })
	if deployed < 0 {
		return []view.ValuesRevision{}, nil
	}

	records = records[deployed:]
	limit := hr.GetMaxHistory()
	if limit <= 0 || limit > maxValuesRevisions {
		limit = maxValuesRevisions
	}

	out := []view.ValuesRevision{}
	for _, record := range records[:min(len(records), limit)] {
		content, err := look.Stored(ctx, cluster.Access{}, target, record.Version)
		if err != nil {
			return nil, recordsError(err, "get", target)
		}
		if content == nil {
			break // it was pruned in the meantime
		}

		got, err := content.AllValues()
		if err != nil {
			return nil, fmt.Errorf("read the values of revision %d: %w", record.Version, err)
		}

		out = append(out, view.ValuesRevision{Revision: record.Version, Values: got})
	}

	return out, nil
}

// recordsError says which right is missing to read Helm records, or why else they cannot be read.
func recordsError(err error, verb string, target plan.Target) error {
	namespace := target.StorageNamespace
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("forbidden: you may not %s secrets in namespace %s (kubectl auth can-i %s secrets -n %s)", verb,
			namespace, verb, namespace)
	}
	return fmt.Errorf("read the Helm records of %s/%s: %w", namespace, target.Name, err)
}

// originTable lists values with what they come from.
func (a *app) originTable(v foundValues, out *output) *table {
	t := a.table(out, column{"PATH", false}, column{"VALUE", false}, column{"FROM", false}, column{"OVERRIDES", false},
		column{"SINCE", !v.since})
	for _, value := range v.Items {
		overrides := make([]string, 0, len(value.Overrides))
		for _, o := range value.Overrides {
			overrides = append(overrides, valueText(o.Value)+" ("+o.From+")")
		}

		since := ""
		switch {
		case value.Next:
			since = "next"
		case value.SinceRevision > 0:
			since = fmt.Sprint(value.SinceRevision)
		}

		t.add(value.Path, valueText(value.Value), value.From, strings.Join(overrides, "; "), since)
	}

	return t
}

// unknownLines warns of keys that the chart does not know.
func (a *app) unknownLines(unknown []view.UnknownValue, chart string) {
	for _, u := range unknown[:min(len(unknown), maxUnknownLines)] {
		text := fmt.Sprintf("warning: %s of %s is in no default value and no schema of chart %s, and no template reads it",
			u.Path, u.From, chart)
		if len(u.Near) > 0 {
			text += "; did you mean " + strings.Join(u.Near, ", ") + "?"
		}

		a.note("%s", oneLine(text))
	}

	if more := len(unknown) - maxUnknownLines; more > 0 {
		a.note("warning: and %d more keys that the chart does not know", more)
	}
}
