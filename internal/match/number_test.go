package match

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// numbersEvent returns an event whose body holds numbers that int and float64 write in another way.
func numbersEvent() *bellhop.Event {
	return &bellhop.Event{Type: "a.b", Source: "src", Body: fmt.Appendf(nil, `{"big":18446744073709551616,
		"id":123456789012345678901234567890,"next":123456789012345678901234567891,"tenth":0.1000000000000000000000001,
		"huge":1e400,"price":4.50,"odd":9007199254740993e0,"int":7,"half":1234567.5,"zero":-0,"one":1.0,"list":[3,
		18446744073709551616,2.50,18446744073709551617],"items":[{"p":1.50,"k":1.0},{"p":2,"k":1}],"o":{"n":1.00},
		"long":1%s,"longer":1%[1]s.0}`, strings.Repeat("0", 20_000))}
}

// TestNumbersInWhere: numbers compare by their digits among themselves, and as far as float64 tells otherwise.
func TestNumbersInWhere(t *testing.T) {
	for text, want := range map[string]any{
		`data.big == data.list[1]`:                             true,
		`data.big == data.list[3]`:                             false,
		`data.big != data.list[3]`:                             true,
		`data.id == data.next`:                                 false,
		`data.id == data.id`:                                   true,
		`data.id == data.next + 0`:                             true, // a sum is a float64
		`data.tenth == 0.1`:                                    true,
		`data.tenth == data.one / 10`:                          true,
		`string(data.id)=="123456789012345678901234567890"`:    true,
		`data.id == "123456789012345678901234567890"`:          true,
		`"123456789012345678901234567891" == data.id`:          false,
		`data.id in ["x", "123456789012345678901234567890"]`:   true,
		`data.price == "4.50"`:                                 false, // as 4.5 is not "4.5"
		`data.price == 4.5`:                                    true,
		`4.5 == data.price`:                                    true,
		`data.price != 4.5`:                                    false,
		`data.one == 1`:                                        true,
		`data.one == data.o.n`:                                 true,
		`data.one == nil`:                                      false,
		`data.one == true`:                                     false,
		`data.odd == 9007199254740993`:                         true,
		`data.odd == 9007199254740992`:                         false,
		`data.zero == 0`:                                       true,
		`data.huge == data.huge`:                               true,
		`data.huge == data.big`:                                false,
		`data.long == data.longer`:                             true,
		`data.long > data.big`:                                 true,
		`data.price + 1 == 5.5`:                                true,
		`1 + data.price * 2 - data.one ** 2 == 9`:              true,
		`-data.price < 0`:                                      true,
		`data.big > 9223372036854775807`:                       true,
		`data.huge > 1e308 and data.huge >= data.id`:           true,
		`data.price in [4.5]`:                                  true,
		`data.price in data.list`:                              false,
		`data.big in data.list`:                                true,
		`"big" in data`:                                        true,
		`2.5 not in data.list`:                                 false,
		`sum(data.list) > data.big`:                            true,
		`sum(data.items, .p) == 3.5`:                           true,
		`mean([data.price, 5.5]) == 5`:                         true,
		`median([data.price, [1, 9]]) == 4.5`:                  true,
		`max(data.list) == data.big`:                           true,
		`min(data.price, 9) == 4.5`:                            true,
		`data.list[data.one] == data.big`:                      true,
		`data.list[data.one:2] == [data.big]`:                  true,
		`data.list == [3, data.big, 2.5, data.list[3]]`:        true,
		`data.list == [3, data.big, 2.5, data.big]`:            false,
		`data.list == [3, data.big]`:                           false,
		`data.items[0] == {"p": 1.5, "k": 1}`:                  true,
		`data.items == [{"p": 1.5, "k": 1}, {"p": 2, "k": 1}]`: true,
		`data.items[0] == {"p": [1.5], "k": 1}`:                false,
		`int(data.price) + round(data.price) == 9`:             true,
		`float(data.price) == abs(-data.price)`:                true,
		`string(data.half) == "1234567.5"`:                     true,
		`string(data.price) + "" == "4.50"`:                    true,
		`count(data.items, .p > 1.75) == 1`:                    true,
		`any(data.list, # == data.big)`:                        true,
		`sortBy(data.items, -.p)[0].p == 2`:                    true,
		`sort(data.list)[0] == 2.5`:                            true,
		`sort(data.list, "desc")[3] == 2.5`:                    true,
		`groupBy(data.list, #)[data.big] == [data.big]`:        true,
		`len(groupBy(data.list, #)) == 4`:                      true,
		`len(groupBy(data.items, .p)[1.5]) == 1`:               true,
		`(data.absent ?? data.price) == 4.5`:                   true,
		`fromJSON("[18446744073709551616]")[0] == data.big`:    true,
		`fromJSON("[18446744073709551617]")[0] == data.big`:    false,
		`fromJSON("17") == 17`:                                 true,
		`fromJSON(" null ") == nil`:                            true,
		`bitand(data.int, 3) == 3`:                             true,

		`fromJSON("{null") == nil`:                                "fromJSON: the text is not JSON",
		`fromJSON(data.one) == nil`:                               "fromJSON: needs a text",
		`data.price.String() == "4.50"`:                           "cannot fetch String from float64",
		`data.price["Marshal" + "JSON"] == nil`:                   "cannot fetch MarshalJSON from float64",
		`get(data.price, "String") != nil`:                        false,
		`data.price.amount == 1`:                                  "cannot fetch amount from",
		`data.price matches "4"`:                                  "float64",
		`len(data.price) == 4`:                                    "float64",
		`data.price and true`:                                     "float64",
		`!data.price`:                                             "float64",
		`sort(data.list, "up") == nil`:                            "up",
		`max(data.list, "x") == nil`:                              "invalid argument for max",
		`sort([data.price, "x"]) == nil`:                          "float64",
		`all(1..30000, data.long == data.longer)`:                 "too much work",
		`any(1..30000, data.long == 1)`:                           "too much work",
		`any(1..30000, data.long in [1])`:                         "too much work",
		`all(1..30000, ({"a": data.long}) == {"a": data.longer})`: "too much work",
		`all(1..30000, string(data.long) != "")`:                  "too much work",
		`all(1..30000, toJSON(data.long) != "")`:                  "too much work",
	} {
		x, err := compileWhere(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		ev := numbersEvent()
		v := Open(ev, Needs{reads: x.reads, where: 1}, Budget{}, nil)
		got, err := x.run(v, new(Budget))
		v.Close()
		switch why, fails := want.(string); {
		case fails && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v %v, want the error %s", text, got, err, why)
		case !fails && (err != nil || got != want):
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
}

// TestNumbersInTemplates: a number that a template passes on keeps its text; a result of arithmetic is a float64.
func TestNumbersInTemplates(t *testing.T) {
	const list = `[3,18446744073709551616,2.50,18446744073709551617]`
	for text, want := range map[string]string{
		`{"n": data.big}`:                  `{"n":18446744073709551616}`,
		`[data.huge, data.zero, data.odd]`: `[1e400,-0,9007199254740993e0]`,
		`{"a": {"b": [data.tenth]}}`:       `{"a":{"b":[0.1000000000000000000000001]}}`,
		`data.items`:                       `[{"k":1.0,"p":1.50},{"k":1,"p":2}]`,
		`get(data, "list")`:                list,
		`map(data.items, .p)`:              `[1.50,2]`,
		`filter(data.list, # > 100)`:       `[18446744073709551616,18446744073709551617]`,
		`find(data.list, # < 3)`:           `2.50`,
		`data.list[1:3]`:                   `[18446744073709551616,2.50]`,
		`[first(data.list), last(data.list), get(data.list, 1)]`: `[3,18446744073709551617,18446744073709551616]`,
		`reverse(data.list)`:                         `[18446744073709551617,2.50,18446744073709551616,3]`,
		`flatten([data.list, [[data.price]]])`:       `[3,18446744073709551616,2.50,18446744073709551617,4.50]`,
		`concat([data.price], data.list)`:            `[4.50,3,18446744073709551616,2.50,18446744073709551617]`,
		`sort(data.list)`:                            `[2.50,3,18446744073709551616,18446744073709551617]`,
		`sortBy(data.items, -.p)`:                    `[{"k":1,"p":2},{"k":1.0,"p":1.50}]`,
		`max(data.list)`:                             `18446744073709551616`,
		`min(data.list, 9)`:                          `2.50`,
		`values(data.o)`:                             `[1.00]`,
		`toPairs(data.o)`:                            `[["n",1.00]]`,
		`toJSON(data.o)`:                             `"{\n  \"n\": 1.00\n}"`,
		`toJSON(data.huge)`:                          `"1e400"`,
		`string(data.huge) + string(data.big)`:       `"1e40018446744073709551616"`,
		`string(data.o)`:                             `"map[n:1.00]"`,
		`string(data.zero)`:                          `"-0"`,
		`join(data.list, " ")`:                       `"3 18446744073709551616 2.50 18446744073709551617"`,
		`join([data.half, 1e300, 1e-7, 0.5])`:        `"1234567.51e+3001e-70.5"`,
		`data.price * 2`:                             `9`,
		`data.price + data.one`:                      `5.5`,
		`reduce(data.items, #acc + .p, 0)`:           `3.5`,
		`reduce(data.items, .p, 0)`:                  `2`,
		`reduce([], #acc, data.price)`:               `4.50`,
		`data.absent ?? data.id`:                     `123456789012345678901234567890`,
		`data.price > 4 ? data.price : 0`:            `4.50`,
		`let n = data.price; [n, n + 1]`:             `[4.50,5.5]`,
		`fromJSON("[1.50, 1e2, 7, -0]")`:             `[1.50,1e2,7,-0]`,
		`fromJSON(body).id`:                          `123456789012345678901234567890`,
		`groupBy(data.items, .p)[1.5]`:               `[{"k":1.0,"p":1.50}]`,
		`groupBy(data.list, #)[data.big]`:            `[18446744073709551616]`,
		`{"in": data.big in data.list, "n": data.o}`: `{"in":true,"n":{"n":1.00}}`,
	} {
		c, err := CompileTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := c.Render(numbersEvent())
		written, _ := json.Marshal(got)
		if err != nil || string(written) != want {
			t.Errorf("%s: %s %v, want %s", text, written, err, want)
		}
	}
}

// TestDecimal: equal numbers, and only those, have equal decimals.
func TestDecimal(t *testing.T) {
	for i, group := range [][]string{
		{"0", "-0", "0.00", "0e9", "-0.0e-7"}, {"1", "1.0", "10e-1", "0.1E1", "1e+0", "100e-2"}, {"-1", "-1.00"},
		{"1.5", "1.50", "15e-1", "0.015e2"}, {"18446744073709551616", "1844674407370955161600e-2"},
		{"18446744073709551617"}, {"1e400", "10e399"}, {"1e99999999999"}, {"1e-400"}, {"0.15"},
	} {
		for j, other := range [][]string{{"0"}, {"1"}, {"-1"}, {"1.5"}, {"18446744073709551616"},
			{"18446744073709551617"}, {"1e400"}, {"1e99999999999"}, {"1e-400"}, {"0.15"}} {
			for _, text := range group {
				if (decimal(text) == decimal(other[0])) != (i == j) {
					t.Errorf("%s and %s: %q, %q", text, other[0], decimal(text), decimal(other[0]))
				}
			}
		}
	}
}

// FuzzNumber: a template passes on each number of JSON as it is written.
func FuzzNumber(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.0", "1e400", "-1E-400", "18446744073709551616", "1e21",
		"1e+21", "1e-7", "1e-07", "0.000001", "0.0000001", "9007199254740993.0", "9223372036854775807",
		"9223372036854775808", "4.50", "123456.75",
		"100000000000000000000", "1000000000000000000000", "2.2250738585072014e-308", "-5e-324", "1e999999999999"} {
		f.Add(text)
	}
	passed, err := CompileTemplate(`[{"n": data.n}, data, string(data.n), fromJSON(string(data.n)), data.n == data.n]`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || len(text) > 10_000 || strings.Trim(text, "0123456789+-.eE") != "" ||
			!json.Valid([]byte(text)) {
			return
		}
		got, err := passed.Render(&bellhop.Event{Body: []byte(`{"n":` + text + `}`)})
		written, marshalErr := json.Marshal(got)
		want := fmt.Sprintf(`[{"n":%s},{"n":%[1]s},"%[1]s",%[1]s,true]`, text)
		if err != nil || marshalErr != nil || string(written) != want {
			t.Errorf("%s %v %v, want %s", written, err, marshalErr, want)
		}
	})
}

// FuzzNumberProgram: over any data the program for numbers compiles, and gives what the ordinary program gives.
func FuzzNumberProgram(f *testing.F) {
	for _, text := range []string{
		`{"id": id, "n": data.n}`, `join(data.n, ",")`, `map(data.n, {{"v": #}})`,
		`[data.n[0] == 1, data.n != data.b]`,
		`reduce(data.n, [#acc, #acc], [])`, `let a = data; [a?.b ?? false, a]`, `groupBy([1, 1.0, 2], #)[1]`,
		`string(data)`, `flatten([data.n, [data.n]])`, `1..data.n[0]`, `sortBy([3, 1], #)`, `sort(data.n)`,
		`max(data.n)`,
		`data.n[data.n[0]:]`, `data.b == {"c": 1.0}`, `data.b == {"c": 1}`, `"c" in data.b`, `2.5 in data.n`,
		`sum([1, data.n[1]])`, `toJSON(data) matches "c"`, `data.n.String()`, `-data.n[0] + +data.n[1]`, `!data.b`,
		`take(data.n, 2)`, `mean(1..3)`,
		`float(data.n[0]) + ceil(data.n[1])`, `time.Format(data.n[2])`, `[nil == data.x, data.x ?? 1]`,
		`data.n == [1, 2.5, "x", nil]`,
	} {
		f.Add(text, []byte(`{"n":[1,2.5,"x",null],"b":{"c":1}}`))
		f.Add(text, []byte(`{"n":[1,2],"b":true}`))
	}
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		for _, name := range []string{"keys", "values", "toPairs", "$env"} { // have no order, or are functions
			if strings.Contains(text, name) {
				return
			}
		}
		c, err := CompileTemplate(text)
		if err != nil || len(body) > 4<<10 {
			return
		}
		ev := &bellhop.Event{ID: "evt_1", Type: "a.b", Subject: "s", Source: "src", Body: body}
		ordinary, ordinaryErr := c.Render(ev)
		if c.expression.program, err = c.expression.numbers(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		got, err := c.Render(ev)
		if err != nil && strings.Contains(err.Error(), "too ") {
			return // it takes some steps more
		}
		want, _ := json.Marshal(ordinary)
		if written, _ := json.Marshal(got); string(written) != string(want) || (err == nil) != (ordinaryErr == nil) {
			t.Errorf("%q over %q: %s %v, want %s %v", text, body, written, err, want, ordinaryErr)
		}
	})
}
