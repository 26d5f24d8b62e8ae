package bellhop

import "github.com/expr-lang/expr/ast"

// reads is what an expression looks at, of that which costs something to have ready.
type reads struct {
	whole               bool // everything at once, as $env
	headers, body, data bool
	members             members // of data
}

// members names those of an object that are looked at, and what of each; nil is all of it. What is no object is looked at
// as a whole.
type members map[string]members

// add makes path one that is looked at, with all below it.
func (m members) add(path []string) {
	next, known := m[path[0]]
	switch {
	case len(path) == 1:
		m[path[0]] = nil
	case known && next == nil: // all of it already
	default:
		if next == nil {
			next = members{}
			m[path[0]] = next
		}
		next.add(path[1:])
	}
}

// A readsPatch changes nothing: it finds what an expression reads.
type readsPatch struct {
	whole, headers, body bool
	chains               map[any][]string // node → path below data, of the longest chains of members so far
}

// Visit implements ast.Visitor. It comes by each node after those below it.
func (p *readsPatch) Visit(node *ast.Node) {
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
	case *ast.MemberNode:
		path, ok := p.chains[n.Node]
		name, constant := n.Property.(*ast.StringNode)
		if base, isName := n.Node.(*ast.IdentifierNode); ok && constant && !(isName && base.Value == "$env") {
			delete(p.chains, n.Node)
			p.chains[n] = append(path[:len(path):len(path)], name.Value)
		}
	}
}

func (p *readsPatch) reads() reads {
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
