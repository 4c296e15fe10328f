// Test bench of the accelerator: core, memory and checker. The bench touches it before and after a run only.
//
// Cycle 0 of a run is the cycle in which BVALID answers the write that starts it: the bench raises `arm` before
// that write and after all others. `finished` rises with irq or after `max_cycles`; `irq_cycle` is the cycle in
// which irq was first 1.
`timescale 1ns / 1ps
module tb_top #(
    parameter ADDRESS_BITS = 40,
    parameter DATA_BITS = 64,
    parameter WORDS = 1024,
    parameter READ_BURSTS = 4,
    parameter WRITE_BURSTS = 4
);
    // -- the bench's side ----------------------------------------------------------------------------------------
    reg         aclk /* verilator public_flat_rw */ = 0;
    reg         aresetn /* verilator public_flat_rw */ = 0;
    reg         arm /* verilator public_flat_rw */ = 0;
    reg         load /* verilator public_flat_rw */ = 0;
    reg         dump /* verilator public_flat_rw */ = 0;
    reg  [31:0] image /* verilator public_flat_rw */ = 0;
    reg  [31:0] read_latency /* verilator public_flat_rw */ = 1;
    reg  [31:0] write_latency /* verilator public_flat_rw */ = 1;
    reg  [63:0] base /* verilator public_flat_rw */ = 0;
    reg  [63:0] error_base /* verilator public_flat_rw */ = 1;
    reg  [63:0] error_last /* verilator public_flat_rw */ = 0;
    reg  [31:0] max_cycles /* verilator public_flat_rw */ = 32'hFFFFFFFF;
    reg         finished /* verilator public_flat_rw */ = 0;
    reg  [31:0] irq_cycle /* verilator public_flat_rw */ = 0;
    wire        irq /* verilator public_flat_rw */;
    wire        failed /* verilator public_flat_rw */;
    wire [31:0] violations /* verilator public_flat_rw */;
    wire [17:0] broken /* verilator public_flat_rw */;  // rules of axi_checker, from bit 14 on of axi_lite_checker

    reg  [11:0] s_axi_awaddr /* verilator public_flat_rw */ = 0;
    reg         s_axi_awvalid /* verilator public_flat_rw */ = 0;
    wire        s_axi_awready /* verilator public_flat_rw */;
    reg  [31:0] s_axi_wdata /* verilator public_flat_rw */ = 0;
    reg  [3:0]  s_axi_wstrb /* verilator public_flat_rw */ = 4'hF;
    reg         s_axi_wvalid /* verilator public_flat_rw */ = 0;
    wire        s_axi_wready /* verilator public_flat_rw */;
    wire [1:0]  s_axi_bresp /* verilator public_flat_rw */;
    wire        s_axi_bvalid /* verilator public_flat_rw */;
    reg         s_axi_bready /* verilator public_flat_rw */ = 0;
    reg  [11:0] s_axi_araddr /* verilator public_flat_rw */ = 0;
    reg         s_axi_arvalid /* verilator public_flat_rw */ = 0;
    wire        s_axi_arready /* verilator public_flat_rw */;
    wire [31:0] s_axi_rdata /* verilator public_flat_rw */;
    wire [1:0]  s_axi_rresp /* verilator public_flat_rw */;
    wire        s_axi_rvalid /* verilator public_flat_rw */;
    reg         s_axi_rready /* verilator public_flat_rw */ = 0;

    // -- cycles of the run ---------------------------------------------------------------------------------------
    reg         started = 0;
    reg  [31:0] count = 0;
    wire [31:0] cycle = started ? count : 32'd0;

    always @(posedge aclk)
        if (!arm) begin
            started <= 0;
            count <= 0;
            finished <= 0;
        end else begin
            if (!started && s_axi_bvalid) begin
                started <= 1;
                count <= 1;
            end else if (started) count <= count + 1;
            if (!finished && started && (irq || count >= max_cycles)) begin
                finished <= 1;
                irq_cycle <= count;
            end
        end

    // -- the bus -------------------------------------------------------------------------------------------------
    wire [ADDRESS_BITS-1:0] awaddr, araddr;
    wire [7:0] awlen, arlen;
    wire [2:0] awsize, arsize;
    wire [1:0] awburst, arburst, bresp, rresp;
    wire awid, arid, awlock, arlock;
    wire [3:0] awcache, arcache;
    wire [2:0] awprot, arprot;
    wire [DATA_BITS-1:0] wdata, rdata;
    wire [DATA_BITS/8-1:0] wstrb;
    wire awvalid, awready, wlast, wvalid, wready, bvalid, bready, arvalid, arready, rlast, rvalid, rready;

    hwshift_core dut (
        .aclk(aclk), .aresetn(aresetn), .irq(irq),
        .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(3'd0), .s_axi_awvalid(s_axi_awvalid),
        .s_axi_awready(s_axi_awready),
        .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb), .s_axi_wvalid(s_axi_wvalid), .s_axi_wready(s_axi_wready),
        .s_axi_bresp(s_axi_bresp), .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready),
        .s_axi_araddr(s_axi_araddr), .s_axi_arprot(3'd0), .s_axi_arvalid(s_axi_arvalid),
        .s_axi_arready(s_axi_arready),
        .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp), .s_axi_rvalid(s_axi_rvalid),
        .s_axi_rready(s_axi_rready),
        .m_axi_awaddr(awaddr), .m_axi_awlen(awlen), .m_axi_awsize(awsize), .m_axi_awburst(awburst),
        .m_axi_awid(awid), .m_axi_awlock(awlock), .m_axi_awcache(awcache), .m_axi_awprot(awprot),
        .m_axi_awvalid(awvalid), .m_axi_awready(awready),
        .m_axi_wdata(wdata), .m_axi_wstrb(wstrb), .m_axi_wlast(wlast), .m_axi_wvalid(wvalid),
        .m_axi_wready(wready),
        .m_axi_bid(1'b0), .m_axi_bresp(bresp), .m_axi_bvalid(bvalid), .m_axi_bready(bready),
        .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arsize(arsize), .m_axi_arburst(arburst),
        .m_axi_arid(arid), .m_axi_arlock(arlock), .m_axi_arcache(arcache), .m_axi_arprot(arprot),
        .m_axi_arvalid(arvalid), .m_axi_arready(arready),
        .m_axi_rid(1'b0), .m_axi_rdata(rdata), .m_axi_rresp(rresp), .m_axi_rlast(rlast), .m_axi_rvalid(rvalid),
        .m_axi_rready(rready)
    );

    axi_memory #(.ADDRESS_BITS(ADDRESS_BITS), .DATA_BITS(DATA_BITS), .WORDS(WORDS)) memory (
        .aclk(aclk), .aresetn(aresetn), .cycle(cycle), .read_latency(read_latency), .write_latency(write_latency),
        .base(base), .error_base(error_base), .error_last(error_last), .image(image), .load(load), .dump(dump), .failed(failed),
        .awaddr(awaddr), .awlen(awlen), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wvalid(wvalid), .wready(wready),
        .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .araddr(araddr), .arlen(arlen), .arvalid(arvalid), .arready(arready),
        .rdata(rdata), .rresp(rresp), .rlast(rlast), .rvalid(rvalid), .rready(rready)
    );

    wire [31:0] m_violations, s_violations;
    wire [13:0] m_broken;
    wire [3:0] s_broken;
    assign violations = m_violations + s_violations;
    assign broken = {s_broken, m_broken};

    axi_checker #(
        .ADDRESS_BITS(ADDRESS_BITS), .DATA_BITS(DATA_BITS),
        .READ_BURSTS(READ_BURSTS), .WRITE_BURSTS(WRITE_BURSTS)
    ) checker_ (
        .aclk(aclk), .aresetn(aresetn), .cycle(cycle), .violations(m_violations), .broken(m_broken),
        .awaddr(awaddr), .awlen(awlen), .awsize(awsize), .awburst(awburst), .awid(awid), .awlock(awlock),
        .awcache(awcache), .awprot(awprot), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wlast(wlast), .wvalid(wvalid), .wready(wready),
        .bid(1'b0), .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .araddr(araddr), .arlen(arlen), .arsize(arsize), .arburst(arburst), .arid(arid), .arlock(arlock),
        .arcache(arcache), .arprot(arprot), .arvalid(arvalid), .arready(arready),
        .rid(1'b0), .rdata(rdata), .rresp(rresp), .rlast(rlast), .rvalid(rvalid), .rready(rready)
    );

    axi_lite_checker control_checker (
        .aclk(aclk), .aresetn(aresetn), .cycle(cycle), .violations(s_violations), .broken(s_broken),
        .awaddr(s_axi_awaddr), .awvalid(s_axi_awvalid), .awready(s_axi_awready),
        .wdata(s_axi_wdata), .wstrb(s_axi_wstrb), .wvalid(s_axi_wvalid), .wready(s_axi_wready),
        .bresp(s_axi_bresp), .bvalid(s_axi_bvalid), .bready(s_axi_bready),
        .araddr(s_axi_araddr), .arvalid(s_axi_arvalid), .arready(s_axi_arready),
        .rdata(s_axi_rdata), .rresp(s_axi_rresp), .rvalid(s_axi_rvalid), .rready(s_axi_rready)
    );
endmodule
