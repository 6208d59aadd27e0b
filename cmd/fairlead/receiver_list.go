package main

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func receiverColumns(q promotionQuery) []column {
	return []column{
		{"NAMESPACE", !q.all}, {"NAME", false}, {"PHASE", false}, {"KIND", false}, {"OBJECTS", false}, {"AGE", false},
		{"MESSAGE", false},
	}
}

func (a *app) receiverRows(objects []client.Object) []listRow {
	rows := make([]listRow, 0, len(objects))
	for _, o := range objects {
		receiver, is := o.(*v1beta1.Receiver)
		if !is {
			continue
		}

		r := view.NewReceiverRow(receiver)
		rows = append(rows, listRow{
			key: r.Namespace + "/" + r.Name, value: r, object: nameOf(v1beta1.ReceiverKind, r.Name),
			cells: []string{
				r.Namespace, r.Name, string(r.Phase), r.Type, fmt.Sprint(r.Objects), a.age(&r.CreatedAt), r.Message,
			},
		})
	}

	return rows
}
