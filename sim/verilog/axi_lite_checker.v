// Passive checker of an AXI4-Lite port. The number of a rule is its bit in `broken`.
//
//   0  VALID and READY are never X or Z, and nothing is X or Z while VALID is 1
//   1  VALID, once raised, stays until READY
//   2  nothing else on the channel changes meanwhile
//   3  responses: no R without AR, no B without AW and W
module axi_lite_checker #(
    parameter ADDRESS_BITS = 12
) (
    input  wire                     aclk,
    input  wire                     aresetn,
    input  wire [31:0]              cycle,      // printed with the first violation
    output reg  [31:0]              violations, // a cycle counts once per rule
    output reg  [3:0]               broken,     // rules that were violated

    input  wire [ADDRESS_BITS-1:0]  awaddr,
    input  wire                     awvalid,
    input  wire                     awready,
    input  wire [31:0]              wdata,
    input  wire [3:0]               wstrb,
    input  wire                     wvalid,
    input  wire                     wready,
    input  wire [1:0]               bresp,
    input  wire                     bvalid,
    input  wire                     bready,
    input  wire [ADDRESS_BITS-1:0]  araddr,
    input  wire                     arvalid,
    input  wire                     arready,
    input  wire [31:0]              rdata,
    input  wire [1:0]               rresp,
    input  wire                     rvalid,
    input  wire                     rready
);
    wire [4:0] valid = {rvalid, arvalid, bvalid, wvalid, awvalid};
    wire [4:0] ready = {rready, arready, bready, wready, awready};

    // the cycle before
    reg [4:0] held;                             // VALID without READY
    reg [ADDRESS_BITS-1:0] aw_before, ar_before;
    reg [35:0] w_before;
    reg [33:0] r_before;
    reg [1:0] b_before;
    wire [4:0] changed = {{rdata, rresp} != r_before, araddr != ar_before, bresp != b_before,
                          {wdata, wstrb} != w_before, awaddr != aw_before};
    wire [4:0] unknown = {^{rdata, rresp} === 1'bx, ^araddr === 1'bx, ^bresp === 1'bx,
                          ^{wdata, wstrb} === 1'bx, ^awaddr === 1'bx};

    reg [31:0] aw_count, w_count, b_count, ar_count, r_count;   // handshakes
    reg [3:0] now;
    integer rule;

    always @(posedge aclk)
        if (!aresetn) begin
            held <= 0; aw_count = 0; w_count = 0; b_count = 0; ar_count = 0; r_count = 0;
            violations = 0; broken = 0;
        end else begin
            now[0] = ^{valid, ready} === 1'bx || |(valid & unknown) !== 1'b0;
            now[1] = |(held & ~valid);
            now[2] = |(held & valid & changed);
            now[3] = (rvalid && r_count == ar_count)
                     || (bvalid && (b_count == aw_count || b_count == w_count));
            if (awvalid && awready) aw_count = aw_count + 1;
            if (wvalid && wready) w_count = w_count + 1;
            if (bvalid && bready) b_count = b_count + 1;
            if (arvalid && arready) ar_count = ar_count + 1;
            if (rvalid && rready) r_count = r_count + 1;
            for (rule = 0; rule < 4; rule = rule + 1)
                if (now[rule] !== 1'b1) now[rule] = 0;      // only rule 0 is about X
            held <= valid & ~ready;
            aw_before <= awaddr; ar_before <= araddr; w_before <= {wdata, wstrb};
            r_before <= {rdata, rresp}; b_before <= bresp;
            if (now != 0) begin
                if (violations == 0) $display("AXI4-Lite: cycle %0d breaks rules %b (bit = rule)", cycle, now);
                for (rule = 0; rule < 4; rule = rule + 1)
                    if (now[rule]) violations = violations + 1;
                broken = broken | now;
            end
        end
endmodule
