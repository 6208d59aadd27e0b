package refs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Freeze is a ReleaseFreeze that an object falls under.
type Freeze struct {
	// From is when it begins, zero when it has begun; Until when it ends, zero when it ends with its deletion.
	From, Until time.Time
	// Message names it, with its end and its reason.
	Message string
}

// Freezes are the ReleaseFreezes that an object falls under, whatever their time, the one that ends first in front.
func Freezes(ctx context.Context, objects client.Reader, object client.Object) ([]Freeze, error) {
	list := &v1beta1.ReleaseFreezeList{}
	if err := objects.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing the freezes: %w", err)
	}

	var out []Freeze
	for i := range list.Items {
		if freeze := &list.Items[i]; freeze.Covers(object) {
			out = append(out, freezeOf(freeze))
		}
	}

	slices.SortFunc(out, func(a, b Freeze) int { return a.Until.Compare(b.Until) })
	return out, nil
}

func freezeOf(f *v1beta1.ReleaseFreeze) Freeze {
	out := Freeze{}
	if f.Spec.From != nil {
		out.From = f.Spec.From.Time
	}

	ends := "; it ends when it is deleted"
	if f.Spec.Until != nil {
		out.Until = f.Spec.Until.Time
		ends = " until " + out.Until.UTC().Format(time.RFC3339)
	}

	out.Message = fmt.Sprintf("ReleaseFreeze %s%s (%s)", f.Name, ends, f.Spec.Reason)
	return out
}
