package apply

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// need is what an attempt does about one object.
type need struct {
	// write is set when the object has to be written. leave is set when it differs and is left as it is.
	write, leave bool
	// dispute is why it is left; nil for another reason.
	dispute *dispute
}

// dispute is that another client changes an object again and again.
type dispute struct {
	// manager is the field manager of the client; empty when it is not known.
	manager string
	// until is how long the object is left alone.
	until time.Time
}

// needOf decides what is done about an object, as far as that is known without a request. disputed returns the dispute
// about an object that differs; nil when there is none.
func needOf(i *item, disputed func() *dispute, ignore *drift.Rules) need {
	switch {
	case !i.unchanged(), i.pending:
		return need{write: true}
	case i.inPlace():
		return need{}
	case i.there && i.entry.IgnoresDrift, exempt(i.Unstructured), ignore.Of(i.Unstructured).Whole:
		return need{leave: true}
	case !i.there && ssa.Expires(i.Unstructured):
		return need{leave: true}
	}

	if d := disputed(); d != nil {
		return need{leave: true, dispute: d}
	}

	return need{write: true}
}

// dispute returns the dispute about an object; nil when there is none.
func (r *run) dispute(i *item) *dispute {
	manager, until, is := r.site.fights.Conflicting(fightOf(i), r.engine.config.Now())
	if !is {
		return nil
	}
	return &dispute{manager: manager, until: until}
}

// leaveAlone records that an object differs and stays so. What is disputed is corrected again later.
func (r *run) leaveAlone(i *item, over *dispute) {
	r.site.leave(r.Owner, i.id, i.state())
	if over == nil {
		return
	}
	if r.result.Again.IsZero() || over.until.Before(r.result.Again) {
		r.result.Again = over.until
	}
	r.keep(over.reason(i))
}

// reason says why an object is left as it is, and until when.
func (d *dispute) reason(i *item) string {
	rival := d.manager
	if rival == "" {
		rival = "another client"
	}
	return fmt.Sprintf("%s, because %s changes it again and again; it is corrected again after %s",
		i, rival, d.until.UTC().Format(time.RFC3339))
}

func fightOf(i *item) string { return i.id }
