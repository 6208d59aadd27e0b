package drift

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// MinAuditInterval is the shortest time between two audits of objects that are watched. What only an audit finds are
// fields that others have added, which is not urgent.
const MinAuditInterval = 10 * time.Minute

// Observed is an object of an inventory as a watch shows it.
type Observed struct {
	// Ref is the entry of the inventory, with the Ownership that the release left behind.
	Ref                   v1beta1.ResourceRef
	Kind, Namespace, Name string
	// Watched is unset while the kind of the object cannot be watched: nothing is known of the object then.
	Watched bool
	// Exists is set when the object is in the cluster. The fields below are known of it then.
	Exists bool
	// Deleting is set while it waits for its finalizers, Ignored when an annotation excludes it from drift detection.
	Deleting, Ignored bool
	// Foreign is set when its metadata names another release than the one of the inventory.
	Foreign bool
	UID     string
	// Ownership is the digest of the fields that the release owns. Owned is unset when the API keeps no managed fields:
	// such an object is compared whenever it changes.
	Ownership       string
	Owned           bool
	Generation      int64
	ResourceVersion uint64
}

// difference identifies the state of an object that is not as its release left it; empty when it is, or when that
// cannot be known.
func (o Observed) difference() string {
	switch {
	case !o.Watched, o.Exists && (o.Deleting || o.Ignored):
		return ""
	case !o.Exists && o.Ref.Ownership == Absent:
		return ""
	case !o.Exists:
		return "missing"
	case o.Foreign:
		return "of another release, " + o.UID
	case o.Ref.Ownership == "":
		return "not compared yet, " + o.content()
	case o.Ref.Ownership != o.Ownership:
		return o.content()
	case !o.Owned:
		return fmt.Sprintf("%s at %d", o.UID, o.ResourceVersion)
	default:
		return ""
	}
}

// content changes with the content of an object, and not with its status where the API server tells the two apart.
func (o Observed) content() string {
	version := o.Generation
	if version == 0 {
		version = int64(o.ResourceVersion) //nolint:gosec // it is only compared
	}
	return fmt.Sprintf("%s %s at %d", o.UID, o.Ownership, version)
}

// Selection decides which objects of one release have to be compared with its manifests. It remembers which ones have
// been compared in the state in which they still are. Its methods may not be called concurrently.
type Selection struct {
	// compared and current are the differences by the ID of the object: when it was compared, and now.
	compared, current map[string]string
	// again are objects that have to be compared although they look as before.
	again map[string]bool
	// audit is when every object is compared; zero until it is planned. audited is set after the first one.
	audit   time.Time
	audited bool
}

// NewSelection returns a selection that has compared nothing.
func NewSelection() *Selection {
	return &Selection{compared: map[string]string{}, current: map[string]string{}, again: map[string]bool{}}
}

// Selected is what has to be done about the objects of a release.
type Selected struct {
	// Compare are the objects to compare.
	Compare []v1beta1.ResourceRef
	// Conflict are those that are left alone because another manager changes them back.
	Conflict Conflict
	// InSync is set when every object is known to be as its release left it.
	InSync bool
}

// Conflict are objects that other managers change again after each correction.
type Conflict struct {
	Objects, Managers []string
	// Until is when the first of the objects is corrected again.
	Until time.Time
}

// Select returns what to compare. fought says of an object with which manager it is in conflict and until when it is
// left alone; nil when drift is only reported.
func (s *Selection) Select(
	objects []Observed, fought func(v1beta1.ResourceRef) (manager string, until time.Time, ok bool),
) (out Selected) {
	unwatched := false
	clear(s.current)
	for _, o := range objects {
		unwatched = unwatched || !o.Watched
		state := o.difference()
		if state == "" && !s.again[o.Ref.ID] {
			delete(s.compared, o.Ref.ID)
			continue
		}

		s.current[o.Ref.ID] = state
		if fought != nil {
			if manager, until, ok := fought(o.Ref); ok {
				out.Conflict.add(o, manager, until)
				continue
			}
		}

		if known, ok := s.compared[o.Ref.ID]; !ok || known != state || s.again[o.Ref.ID] {
			out.Compare = append(out.Compare, o.Ref)
		}
	}

	out.InSync = len(s.current) == 0 && !unwatched
	return out
}

// Disable forgets what was compared: drift detection is off.
func (s *Selection) Disable() { clear(s.compared) }

// States returns the present differences of objects, for Compared after they were compared.
func (s *Selection) States(refs []v1beta1.ResourceRef) map[string]string {
	states := map[string]string{}
	for _, ref := range refs {
		states[ref.ID] = s.current[ref.ID]
	}
	return states
}

// Compared notes that objects were compared in the given states.
func (s *Selection) Compared(states map[string]string) {
	for id, state := range states {
		s.compared[id] = state
		delete(s.again, id)
	}
}

// CompareAgain has an object compared with the next Select.
func (s *Selection) CompareAgain(id string) { s.again[id] = true }

// AuditAt returns when every object has to be compared. The first audit of a process is somewhere in the second half of
// an interval, so that a thousand releases are not audited together; later ones follow after a little more than one
// interval. jitter adds a random part to a duration, up to the given factor of it, as wait.Jitter does.
func (s *Selection) AuditAt(
	interval time.Duration, jitter func(time.Duration, float64) time.Duration, now time.Time,
) time.Time {
	if !s.audit.IsZero() {
		return s.audit
	}

	pause := jitter(interval, 0.1)
	if !s.audited {
		pause = jitter(interval/2, 1)
	}

	s.audit = now.Add(pause)
	return s.audit
}

// Audited notes that every object was compared.
func (s *Selection) Audited() {
	s.audit = time.Time{}
	s.audited = true
}

// AuditInterval is the time between two audits of a release with the given interval. unwatched is set when some of its
// objects cannot be watched, so that only audits see them.
func AuditInterval(interval time.Duration, unwatched bool) time.Duration {
	if unwatched {
		return interval
	}
	return max(interval, MinAuditInterval)
}

func (c *Conflict) add(o Observed, manager string, until time.Time) {
	name := o.Kind + " " + o.Name
	if o.Namespace != "" {
		name = o.Kind + " " + o.Namespace + "/" + o.Name
	}

	c.Objects = append(c.Objects, name)
	if manager != "" && !slices.Contains(c.Managers, manager) {
		c.Managers = append(c.Managers, manager)
	}
	if c.Until.IsZero() || until.Before(c.Until) {
		c.Until = until
	}
}

// ChangedBy returns the manager that made an object differ; empty when that is not known.
func ChangedBy(d v1beta1.ObjectDrift) string {
	for _, field := range d.Fields {
		if field.Manager != "" {
			return field.Manager
		}
	}
	return ""
}

// Correctable reports whether an object differs in more than fields that others have added.
func Correctable(d v1beta1.ObjectDrift) bool {
	return d.Missing || slices.ContainsFunc(d.Fields, func(field v1beta1.FieldDrift) bool {
		return field.Change != v1beta1.DriftAdded
	})
}
