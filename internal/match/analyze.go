package match

import (
	"maps"

	"github.com/expr-lang/expr/ast"
)

// reads tells which costly values an expression reads, so that only those are computed for each event.
type reads struct {
	whole               bool // the whole environment, as $env
	headers, body, data bool
	members             members // of data that are read; nil is all of data
}

// members maps the names of an object's members that are read to the members read within each; nil is the whole value.
// A value that is no object is always read whole.
type members map[string]members

// with returns what r and other read together. It changes neither.
func (r reads) with(other reads) reads {
	sum := reads{whole: r.whole || other.whole, headers: r.headers || other.headers, body: r.body || other.body,
		data: r.data || other.data}
	switch {
	case !other.data:
		sum.members = r.members
	case !r.data:
		sum.members = other.members
	default:
		sum.members = r.members.with(other.members)
	}
	return sum
}

// with returns the members of m and other together; nil, which is the whole value, if one of them is.
func (m members) with(other members) members {
	if m == nil || other == nil {
		return nil
	}
	sum := make(members, len(m)+len(other))
	maps.Copy(sum, m)
	for name, of := range other {
		if known, ok := sum[name]; ok {
			of = known.with(of)
		}
		sum[name] = of
	}
	return sum
}

// cover reports whether what was decoded for m holds all that other reads.
func (m members) cover(other members) bool {
	if m == nil {
		return true
	}
	if other == nil {
		return false
	}
	for name, of := range other {
		if known, ok := m[name]; !ok || !known.cover(of) {
			return false
		}
	}
	return true
}

// add notes that the value at path is read, with everything below it.
func (m members) add(path []string) {
	next, known := m[path[0]]
	switch {
	case len(path) == 1:
		m[path[0]] = nil
	case known && next == nil: // read whole already
	default:
		if next == nil {
			next = members{}
			m[path[0]] = next
		}
		next.add(path[1:])
	}
}

// A readsVisitor finds out what an expression reads. It changes nothing.
type readsVisitor struct {
	whole, headers, body bool
	decodes              bool // whether it calls fromJSON
	// chains maps the last node of each chain of members, such as data.a.b, to its path below data. Visit extends a
	// chain node by node, so only the longest chains stay.
	chains map[any][]string
}

// Visit implements ast.Visitor. It is called for a node after the nodes below it.
func (p *readsVisitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "data":
			p.chains[n] = []string{}
		case "headers":
			p.headers = true
		case "body":
			p.body = true
		case "$env":
			p.whole, p.headers, p.body, p.chains[n] = true, true, true, []string{}
		}
	case *ast.BuiltinNode:
		p.decodes = p.decodes || n.Name == "fromJSON"
	case *ast.MemberNode:
		path, ok := p.chains[n.Node]
		name, constant := n.Property.(*ast.StringNode)
		if base, isName := n.Node.(*ast.IdentifierNode); ok && constant && !(isName && base.Value == "$env") {
			delete(p.chains, n.Node)
			p.chains[n] = append(path[:len(path):len(path)], name.Value)
		}
	}
}

func (p *readsVisitor) reads() reads {
	r := reads{whole: p.whole, headers: p.headers, body: p.body, data: len(p.chains) > 0, members: members{}}
	for _, path := range p.chains {
		if len(path) == 0 {
			r.members = nil
			return r
		}
		r.members.add(path)
	}
	return r
}
